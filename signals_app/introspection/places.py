"""Where things are defined, told without saying where on this machine the project lies."""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from types import FunctionType

from django.conf import settings

from signals_app.naming import namespace

_INSTALLED = ("site-packages", "dist-packages")
_OURS = PurePath(__file__).parents[1]  # signals_app, wherever it was put


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file and a line; the path is relative to the project, to where packages are installed, or to Python's library.

    ``line`` is 0 where it is not known. ``is_library`` is true outside of the project, and for signals_app itself.
    """

    path: str
    line: int
    is_library: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


def place_of_function(function: FunctionType) -> Place | None:
    """Return where a function begins, its decorators included."""
    return _place(function.__code__.co_filename, function.__code__.co_firstlineno)


def place_of_class(cls: type) -> Place | None:
    """Return where a class is defined; the first of that name, where its module has several."""
    filename = _file_of(cls.__module__)
    return _place(filename, _line(filename, rf"\s*class\s+{re.escape(cls.__name__)}\b"))


def place_of_signal(name: str) -> Place | None:
    """Return where a signal of this ``module.name`` is made; without a line where that module only imports it."""
    module, _, attribute = name.rpartition(".")
    filename = _file_of(module)
    return _place(filename, _line(filename, rf"\s*{re.escape(attribute)}\s*(:[^=]+)?=[^=]"))


def _file_of(module: str) -> str:
    filename = namespace(sys.modules.get(module)).get("__file__")
    return filename if isinstance(filename, str) else ""


def _line(filename: str, pattern: str) -> int:
    """Return the number of the first line that begins like a pattern, or 0."""
    begins = re.compile(pattern).match
    lines = enumerate(linecache.getlines(filename), start=1) if filename.endswith(".py") else ()
    return next((number for number, line in lines if begins(line)), 0)


def _place(filename: str, line: int) -> Place | None:
    if not filename or filename.startswith("<"):  # built in, frozen, or typed at a prompt
        return None
    path = PurePath(filename)
    for part in _INSTALLED:
        if part in path.parts:
            after = len(path.parts) - path.parts[::-1].index(part)
            return Place(path=PurePath(*path.parts[after:]).as_posix(), line=line, is_library=True)
    for root, is_library in _roots():
        if path.is_relative_to(root):
            is_ours = path.is_relative_to(_OURS)
            relative = path.relative_to(_OURS.parent if is_ours else root)
            return Place(path=relative.as_posix(), line=line, is_library=is_library or is_ours)
    return Place(path=path.name, line=line, is_library=False)


def _roots() -> Iterator[tuple[PurePath, bool]]:
    """Yield directories that paths are told from, and whether they are a library, the most telling first."""
    yield _OURS, True
    if base := str(getattr(settings, "BASE_DIR", "")):
        yield PurePath(base), False
    yield PurePath(sysconfig.get_path("stdlib")), True
    for entry in sorted(sys.path, key=len, reverse=True):
        if entry:
            yield PurePath(entry), False
