"""Values of every kind that may travel, and some that look alike and may not."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum, IntFlag, auto
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from django.db.models import TextChoices


class Colour(Enum):
    RED = "r"
    GREEN = ("g", 1)
    ROT = "r"  # noqa: PIE796 - an alias


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Right(Flag):
    READ = auto()
    WRITE = auto()
    BOTH = READ | WRITE


class Bit(IntFlag):
    A = 1
    B = 2
    C = 4


class Size(TextChoices):
    SMALL = "s", "small"
    LARGE = "l", "large"


@dataclass
class Point:
    x: Any
    y: Any = None
    units: ClassVar[str] = "mm"


@dataclass
class Point3(Point):
    z: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    a: Any
    b: Any = field(default=None, compare=True)


@dataclass
class Careful:
    """Its constructor must not run again."""

    raw: str
    parsed: int = field(init=False)
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        type(self).made += 1
        self.parsed = int(self.raw)

    @cached_property
    def double(self) -> int:
        return self.parsed * 2


@dataclass
class Failure(Exception):
    code: int


@dataclass(frozen=True)
class Unhashable:
    """Hashable as far as a type checker can see."""

    parts: list[int]


@dataclass(frozen=True)
class Login:
    """With a secret in it."""

    user: object
    password: object


class Pair(NamedTuple):
    left: Any
    right: Any = None


OldPair = namedtuple("OldPair", "left right")


class PairPlus(OldPair):
    """A named tuple with room for more."""


class Outer:
    class Inner:
        pass


class Service:
    """What people send signals from."""

    def __init__(self) -> None:
        self.connection = object()

    def work(self) -> None:
        """Do nothing."""


class Text(str):
    __slots__ = ()


class Number(int):
    pass
