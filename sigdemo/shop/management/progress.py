"""A progress bar for commands: redrawn in a terminal, a few plain lines anywhere else."""

from django.core.management.base import OutputWrapper

WIDTH = 30
LINES_WITHOUT_TERMINAL = 4  # a log needs to know that it goes on, not each step


class ProgressBar:
    """Shows how many of ``total`` steps are done. Writes no escape codes."""

    def __init__(self, out: OutputWrapper, label: str, total: int) -> None:
        self._out = out
        self._label = label
        self._total = max(total, 1)
        self._live = out.isatty()
        self._shown = ""
        self._quarter = 0

    def show(self, done: int) -> None:
        """Draw the bar; where output is no terminal, write a line at each quarter."""
        if self._live:
            self._redraw(done)
            return
        quarter = done * LINES_WITHOUT_TERMINAL // self._total
        if quarter > self._quarter:
            self._quarter = quarter
            self._out.write(f"{self._label}: {done} of {self._total}")

    def close(self, done: int) -> None:
        """Draw the bar a last time and end its line."""
        if self._live:
            self._redraw(done)
            self._out.write("")
        elif self._quarter < LINES_WITHOUT_TERMINAL:
            self._out.write(f"{self._label}: {done} of {self._total}")

    def _redraw(self, done: int) -> None:
        filled = WIDTH * min(done, self._total) // self._total
        bar = "#" * filled + "." * (WIDTH - filled)
        line = f"\r{self._label:<16} [{bar}] {done} of {self._total}"
        if line != self._shown:
            self._shown = line
            self._out.write(line, ending="")
            self._out.flush()
