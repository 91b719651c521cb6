"""Reading a page of the documentation: its fenced blocks, its headings and its links.

Our own fifty lines in place of a library: those that collect examples run each block alone and in the tests' process,
and ours are files and commands of a project that is built up from top to bottom of a page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))

FENCE = re.compile(r"^```(\w*) *(.*)$")
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: ``line`` is that of its fence, ``options`` are the words after its language."""

    page: Path
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{name_of(self.page)}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link and the text that it stands under."""

    page: Path
    line: int
    text: str
    target: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page. Raises AssertionError for one that does not end."""
    found: list[Block] = []
    opened: tuple[int, str, str] | None = None  # line, language, options
    body: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened, body = (number, fence[1], fence[2]), []
        elif opened is not None and line == "```":
            at, language, words = opened
            options = {key: value for key, _, value in (word.partition("=") for word in words.split())}
            found.append(Block(page=page, line=at, language=language, options=options, text="\n".join(body)))
            opened = None
        else:
            body.append(line)
    assert opened is None, f"{name_of(page)}: the block of line {opened[0]} does not end."
    return found


def prose(page: Path) -> list[tuple[int, str]]:
    """Return the numbered lines of a page outside its fenced blocks."""
    lines: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            lines.append((number, line))
    return lines


def links(page: Path) -> list[Link]:
    """Return the links of a page, pictures included."""
    return [
        Link(page=page, line=number, text=match[1], target=match[2])
        for number, line in prose(page)
        for match in LINK.finditer(line)
    ]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for _, line in prose(page):
        if heading := _HEADING.match(line):
            slug = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            number = 0
            while (anchor := slug if not number else f"{slug}-{number}") in found:
                number += 1
            found.add(anchor)
    return found


def table_keys(page: Path, *, heading: str) -> set[str]:
    """Return what stands in backquotes in the first cell of each row of the tables under a heading.

    Raises ValueError for what has two rows.
    """
    keys: set[str] = set()
    current = ""
    for _, line in prose(page):
        if match := _HEADING.match(line):
            current = match[1]
        elif line.startswith("| ") and current == heading:
            found = {code.strip("`") for code in _CODE.findall(line.split("|")[1])}
            if twice := found & keys:
                raise ValueError(f"{page.name} has {', '.join(twice)} twice under {heading!r}.")
            keys |= found
    return keys


def table_cells(page: Path, *, heading: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables under a heading, by the first code in the first cell."""
    rows: dict[str, list[str]] = {}
    current = ""
    for _, line in prose(page):
        if match := _HEADING.match(line):
            current = match[1]
        elif line.startswith("| `") and current == heading:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            rows[cells[0].strip("`")] = cells
    return rows
