"""A page of the documentation: its fenced blocks, headings, links and tables.

Libraries that collect examples run each block alone and in the tests' process; ours are files and commands of a project
that is built up from top to bottom of a page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))

FENCE = re.compile(r"^```(\w*) *(.*)$")
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: ``place`` is page and line of its fence, ``options`` are the words after its language."""

    place: str
    language: str
    options: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link, the text that it stands under, and page and line where it stands."""

    place: str
    text: str
    target: str


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page. Raises AssertionError for one that does not end."""
    found: list[Block] = []
    opened: Block | None = None
    body: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None and fence:
            options = {key: value for key, _, value in (word.partition("=") for word in fence[2].split())}
            opened, body = Block(place=f"{name_of(page)}:{number}", language=fence[1], options=options, text=""), []
        elif opened is not None and line == "```":
            found.append(replace(opened, text="\n".join(body)))
            opened = None
        else:
            body.append(line)
    assert opened is None, f"{opened.place}: the block does not end."
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
        Link(place=f"{name_of(page)}:{number}", text=match[1], target=match[2])
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
    keys = [code.strip("`") for cells in table(page, heading=heading) for code in _CODE.findall(cells[0])]
    if len(keys) > len(set(keys)):
        raise ValueError(f"{page.name} has {max(keys, key=keys.count)} twice under {heading!r}.")
    return set(keys)


def table_cells(page: Path, *, heading: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables under a heading, by the first code in the first cell."""
    rows = table(page, heading=heading)
    return {cells[0].strip("`"): cells for cells in rows if cells[0].startswith("`")}


def table(page: Path, *, heading: str) -> list[list[str]]:
    """Return the cells of each row of the tables under a heading."""
    rows: list[list[str]] = []
    current = ""
    for _, line in prose(page):
        if match := _HEADING.match(line):
            current = match[1]
        elif line.startswith("| ") and current == heading:
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
