"""Which names are those of secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from signals_app.conf import conf

MASKED = "********"

_JOINTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # userName, JWTToken
_WORDS = re.compile(r"[^\W\d_]+")
_MOST_JOINED = 3  # parts of a name that are read as one word
_ENDING = 5  # letters from which a word counts at the end of a part: monkey ends in key
_USUAL = 60  # characters of a name that is worth remembering


def is_secret(name: str) -> bool:
    """Tell whether what has this name is not to be shown."""
    words, endings = _words(frozenset(conf.mask))
    return (_has_word_cached if len(name) <= _USUAL else _has_word)(name, words, endings)


def _has_word(name: str, words: frozenset[str], endings: tuple[str, ...]) -> bool:
    return any(_is_word(candidate, words, endings) for candidate in _candidates(name))


_has_word_cached = lru_cache(maxsize=2_000)(_has_word)  # a traceback names the same things again and again


@lru_cache(maxsize=8)
def _words(mask: frozenset[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words, and those of them that count at the end of a part."""
    words = frozenset("".join(parts_of(word)) for word in mask) - {""}
    return words, tuple(word for word in words if len(word) >= _ENDING)


def parts_of(name: str) -> list[str]:
    """Return the words of a name in lower case, such as user and name of ``userName``."""
    return _WORDS.findall(_JOINTS.sub("_", name).casefold())


def _candidates(name: str) -> Iterator[str]:
    parts = parts_of(name)
    for begin in range(len(parts)):
        for length in range(1, _MOST_JOINED + 1):
            yield "".join(parts[begin : begin + length])


def _is_word(candidate: str, words: frozenset[str], endings: tuple[str, ...]) -> bool:
    one = candidate.removesuffix("s")
    return candidate in words or one in words or one.endswith(endings)
