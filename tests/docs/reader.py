"""Somebody who does what a page says, from top to bottom.

A ``python`` block is a file: its first line, ``# orders/models.py``, names it; ``# bakery/settings.py, at the end``
adds to it; further such lines begin further files. A ``console`` block is typed: a line with ``$`` is a command and
must succeed, ``^C`` ends a program, other lines must be printed, in order, with ``...`` for any text. Options after the
language: ``terminal=2`` for a program that keeps running and prints its lines in any order, ``wait`` for a command that
is repeated until it prints what it should, ``fails`` for one that must not succeed. A ``diff`` block changes the file
that its first line names, which must be what the block changes where it exists. Blocks of other languages are shown
only. The port 8000 is replaced by one that is free.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from tests.cluster import wait_until
from tests.docs.markdown import Block, blocks
from tests.docs.terminal import PATIENCE, Program, Shell, differs
from tests.ports import free_port

SHOWN_ONLY = {"mermaid", "sh", "text", "ini", "sql", "yaml"}

_FILE = re.compile(r"^# ((?:[\w-]+/)*[\w-]+\.py)(, at the end)?$")


class Reader:
    """Works in ``directory``, where the pages' projects are; what runs in it ends with the ``with`` block."""

    def __init__(self, directory: Path, environment: dict[str, str], *, at: str = "", desk: Path) -> None:
        """``at`` is the directory's part where the page begins; ``desk`` is for what is not the project's."""
        self.project = directory / at
        self.port = free_port()
        self._desk = desk
        self._shell = Shell(self.project, environment, desk / "shell")
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the programs that still run."""
        for program in self._programs.values():
            program.close()

    def follow(self, page: Path) -> None:
        """Do everything that a page says. Raises AssertionError, with the place, where it comes out otherwise."""
        for block in blocks(page):
            if block.language == "python":
                self._write(block)
            elif block.language == "console":
                self._type(block)
            elif block.language == "diff":
                self._change(block)
            else:
                assert block.language in SHOWN_ONLY, f"{block.place}: nothing is known to do with {block.language!r}."

    def run(self, command: str) -> str:
        """Run a command where the page has come to and return what it printed. Raises AssertionError where it fails."""
        status, output = self._shell.run(command)
        assert status == 0, f"{command}\n{output}"
        return output

    def keep_running(self, command: str, expected: str) -> None:
        """Start a program in a terminal of its own and wait until it prints this line."""
        self._watch(command, self._here(command), [self._here(expected)])

    def wait_for(self, command: str, expected: list[str]) -> None:
        """Repeat a command until it prints these lines, in any order: two workers decide which comes first."""
        what = f"{expected} by {command}"
        wait_until(lambda: not differs(expected, self._shell.run(command)[1], in_order=False), what, seconds=PATIENCE)

    def _here(self, text: str) -> str:
        return text.replace("8000", str(self.port))

    def _write(self, block: Block) -> None:
        """Write the files of a block. Raises AssertionError for a block that names none."""
        for name, adds, text in files_of(block):
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            old = path.read_text() if adds else ""
            path.write_text(f"{old}\n{text}\n" if adds else f"{text}\n")

    def _change(self, block: Block) -> None:
        """Write what a file is after a change. Raises AssertionError where it was something else before."""
        before, after = before_and_after(block)
        named = _FILE.match(after.splitlines()[0])
        assert named, f"{block.place}: begin the block with the file's name, as in ' # orders/models.py'."
        path = self.project / named[1]
        assert not path.exists() or path.read_text() == before, f"{block.place}: {named[1]} is not what is changed."
        path.write_text(after)

    def _type(self, block: Block) -> None:
        terminal = block.options.get("terminal")
        for command, expected in _commands(self._here(block.text)):
            if terminal is None:
                self._run(block, command, expected)
            elif command == "^C":
                status = self._programs.pop(terminal).interrupt()
                assert status == 0, f"{block.place}: ended with status {status}."
            else:
                self._watch(terminal, command, expected)

    def _run(self, block: Block, command: str, expected: list[str]) -> None:
        if "wait" in block.options:
            self.wait_for(command, expected)
            return
        status, output = self._shell.run(command)
        assert bool(status) == ("fails" in block.options), f"{block.place}: {command} gave status {status}.\n{output}"
        missing = differs(expected, output)
        assert not missing, f"{block.place}: {command} did not print {missing!r} but:\n{output}"
        if command.startswith("cd "):
            self.project = Path(self.run("pwd").strip())

    def _watch(self, terminal: str, command: str, expected: list[str]) -> None:
        if command:
            assert terminal not in self._programs, f"Terminal {terminal} is busy; press ^C first."
            log = self._desk / f"terminal-{len(list(self._desk.iterdir()))}"
            self._programs[terminal] = self._shell.start(command, log)
        self._programs[terminal].shows(expected)


def before_and_after(block: Block) -> tuple[str, str]:
    """Return a file as it is before and after the change that a block of the language diff shows."""
    lines = block.text.splitlines()
    before, after = ("".join(f"{line[1:]}\n" for line in lines if not line.startswith(sign)) for sign in "+-")
    return before, after


def files_of(block: Block) -> list[tuple[str, bool, str]]:
    """Return name, whether it is added to, and text of each file in a block.

    Raises AssertionError for text before the first name.
    """
    found: list[tuple[str, bool, list[str]]] = []
    for line in block.text.splitlines():
        if match := _FILE.match(line):
            found.append((match[1], bool(match[2]), []))
        else:
            assert found, f"{block.place}: begin the block with the file's name, as in '# orders/models.py'."
        found[-1][2].append(line)
    return [(name, adds, "\n".join(lines).strip("\n")) for name, adds, lines in found]


def _commands(text: str) -> list[tuple[str, list[str]]]:
    """Return each command with the lines it is to print; the first may be "", for lines that a program prints later."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line.removeprefix('> ')}", [])
        elif line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line == "^C":
            found.append((line, []))
        else:
            if not found:
                found.append(("", []))
            found[-1][1].append(line)
    return found
