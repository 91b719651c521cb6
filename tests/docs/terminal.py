"""The shells of somebody who follows a page: one for commands that end, others for programs that keep running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from shlex import quote
from typing import IO

from tests.cluster import descendants, kill, wait_until

PATIENCE = 90.0  # seconds for a command or a program's output; starting Django takes a second on a busy machine

# What a shell of a developer or of CI may have set and a reader has not.
_OURS = re.compile(
    r"DJANGO_|TEST_|Q_CLUSTER|PYTEST|PIP_|PYTHON|COVERAGE|COV_|VIRTUAL_ENV|"
    r"(VAR_DIR|ENV_FILE|DEBUG|TLS|SECRET_KEY|ALLOWED_HOSTS|DATABASE_URL|CI)(_FILE)?$"
)


def clean_environment() -> dict[str, str]:
    """Return the environment of the tests without what belongs to the tests or to this site."""
    return {name: value for name, value in os.environ.items() if not _OURS.match(name)}


def differs(expected: list[str], output: str, *, in_order: bool = True) -> str:
    """Return the first expected line that the output does not have; "" where it has all.

    Three dots in a line stand for any text. Lines that the page leaves out are passed over.
    """
    lines = [line.rstrip() for line in output.splitlines()]
    for one in expected:
        pattern = re.compile(".*".join(re.escape(part) for part in one.rstrip().split("...")))
        found = next((place for place, line in enumerate(lines) if pattern.fullmatch(line)), None)
        if found is None:
            return one
        del lines[0 if in_order else found : found + 1]
    return ""


class Shell:
    """Runs commands one after the other; directory and exported variables last from one to the next."""

    def __init__(self, directory: Path, environment: dict[str, str], state: Path) -> None:
        self._state = quote(str(state))
        exports = "".join(f"export {name}={quote(value)}\n" for name, value in environment.items())
        state.write_text(f"{exports}cd {quote(str(directory))}\n")

    def run(self, command: str) -> tuple[int, str]:
        """Run a command and return its exit status and what it printed."""
        keep = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {self._state}"
        ended = subprocess.run(
            ["bash", "-c", f". {self._state}\n{command}\nstatus=$?\n{keep}\nexit $status"],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=2 * PATIENCE,
        )
        return ended.returncode, ended.stdout

    def start(self, command: str, log: Path) -> Program:
        """Start a program that keeps running, in another terminal of the same directory and variables."""
        return Program(f". {self._state}\nexec env {command}", log)


class Program:
    """A program in the foreground of a terminal of its own; ``log`` has what it prints."""

    def __init__(self, script: str, log: Path) -> None:
        self.log = log
        self._output: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            ["bash", "-c", script],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def shows(self, expected: list[str]) -> None:
        """Wait until it has printed these lines, in any order: it may have several workers.

        Raises AssertionError, with all it printed, where it does not.
        """
        try:
            wait_until(lambda: not self._missing(expected), "the page's output", seconds=PATIENCE)
        except AssertionError as error:
            printed = f"missing: {self._missing(expected)!r}\nprinted:\n{self._printed()}"
            raise AssertionError(f"{error}\n{printed}") from None

    def _missing(self, expected: list[str]) -> str:
        return differs(expected, self._printed(), in_order=False)

    def _printed(self) -> str:
        return self.log.read_text(errors="replace")

    def interrupt(self) -> int:
        """Press Ctrl-C and return its exit status."""
        os.killpg(self._process.pid, signal.SIGINT)
        status = self._process.wait(PATIENCE)
        self.close()
        return status

    def close(self) -> None:
        """End whatever is left of it."""
        if self._process.poll() is None:
            kill(self._process.pid, *descendants(self._process.pid))
            self._process.wait()
        self._output.close()
