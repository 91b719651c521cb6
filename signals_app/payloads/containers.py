"""Values with parts that have no name: lists, tuples, sets, mappings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from signals_app.payloads.errors import (
    TAG,
    BrokenOff,
    Decode,
    Decoder,
    Encode,
    Encoder,
    Json,
    Malformed,
    Refusal,
    shown,
)
from signals_app.payloads.scalars import encode_text

_MOST_ALIKE = 100  # items of one hash: each is compared with all of the others, in C, where no timeout reaches


def encode_items(value: Collection[object], walk: Encoder) -> list[Json]:
    """Return the JSON of each item. Raises BrokenOff with the item's index in its path."""
    walk.enter(len(value))
    written: list[Json] = []
    try:
        for item in value:
            written.append(walk.encode(item))  # noqa: PERF401 - its length tells the index
    except BrokenOff as broken:
        broken.passing(_step(value, len(written)), value)
        raise
    walk.leave()
    return written


def _step(value: Collection[object], index: int) -> str:
    return "{…}" if isinstance(value, set | frozenset) else f"[{index}]"


def _encode_dict(value: dict[Any, object], walk: Encoder) -> Json:
    for key in value:
        if type(key) is not str or key.startswith(TAG):
            return {"$dict": _encode_pairs(value, walk)}
    return encode_parts(value, walk, holder=value, step=key_step)


def encode_parts(
    parts: dict[str, object], walk: Encoder, *, holder: object, step: Callable[[str], str]
) -> dict[str, Json]:
    """Return an object of the same keys. Raises BrokenOff with a step to the part in its path."""
    walk.enter(len(parts))
    written: dict[str, Json] = {}
    key = ""
    try:
        for key, part in parts.items():
            encode_text(key, walk)
            written[key] = walk.encode(part)
    except BrokenOff as broken:
        broken.passing(step(key), holder)
        raise
    walk.leave()
    return written


def _encode_pairs(value: dict[object, object], walk: Encoder) -> list[Json]:
    walk.enter(len(value) * 2)
    _refuse_alike(value)
    written: list[Json] = []
    pair: list[Json] = []
    key: object = None
    try:
        for key, item in value.items():
            pair = []
            pair.append(walk.encode(key))
            pair.append(walk.encode(item))
            written.append(pair)
    except BrokenOff as broken:
        broken.passing(key_step(key) if pair else f".keys()[{len(written)}]", value)
        raise
    walk.leave()
    return written


def key_step(key: object) -> str:
    """Return the step to the value of a key."""
    return f"[{shown(key)}]"


def _encode_set(tag: str) -> Encode:
    def encode(value: Collection[object], walk: Encoder) -> Json:
        written = encode_items(value, walk)
        _refuse_alike(value)
        return {tag: written}

    return encode


def _refuse_alike(value: Collection[object]) -> None:
    alike = _most_alike(value)
    if alike > _MOST_ALIKE:
        raise Refusal(value, f"holds {alike:,} items of one hash, of {_MOST_ALIKE} that there may be", "Pass a list.")


ENCODERS: dict[type, Encode] = {
    list: encode_items,
    dict: _encode_dict,
    tuple: lambda value, walk: {"$tuple": encode_items(value, walk)},
    set: _encode_set("$set"),
    frozenset: _encode_set("$frozenset"),
}


def decode_items(value: Json, walk: Decoder) -> list[object]:
    """Return the value of each item. Raises BrokenOff, Malformed where there is no list."""
    if type(value) is not list:
        raise Malformed("is not a list")
    read: list[object] = []
    try:
        for item in value:
            read.append(walk.decode(item))  # noqa: PERF401 - its length tells the index
    except BrokenOff as broken:
        broken.passing(f"[{len(read)}]", value)
        raise
    return read


def _decode_pairs(value: Json, walk: Decoder) -> object:
    if type(value) is not list or any(type(pair) is not list or len(pair) != 2 for pair in value):
        raise Malformed("is not a list of [key, value] pairs")
    pairs = [decode_items(pair, walk) for pair in value]
    return _gathered(dict, pairs, [key for key, _ in pairs])


def _gathered(kind: Callable[[Any], Collection[object]], items: Sequence[object], hashed: Sequence[object]) -> object:
    try:
        alike = _most_alike(hashed)
        made = kind(items) if alike <= _MOST_ALIKE else ()
    except Exception as error:  # whatever a __hash__ or an __eq__ of a part raises
        raise Malformed(f"holds what cannot be in it: {error}") from error
    if alike > _MOST_ALIKE:
        raise Malformed(f"holds {alike:,} items of one hash, of {_MOST_ALIKE} that there may be")
    if len(made) != len(items):
        raise Malformed("holds the same key or item twice")
    return made


def _most_alike(items: Collection[object]) -> int:
    """Return how many items share the commonest hash; 0 for so few that it does not matter."""
    return max(Counter(map(hash, items)).values()) if len(items) > _MOST_ALIKE else 0


def _gathering(kind: Callable[[Any], Collection[object]]) -> Decode:
    def decode(value: Json, walk: Decoder) -> object:
        items = decode_items(value, walk)
        return _gathered(kind, items, items)

    return decode


DECODERS: dict[str, Decode] = {
    "$dict": _decode_pairs,
    "$tuple": lambda value, walk: tuple(decode_items(value, walk)),
    "$set": _gathering(set),
    "$frozenset": _gathering(frozenset),
}
