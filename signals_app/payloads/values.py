"""Values of Python's own types: numbers, text, bytes, dates, identifiers; lists, tuples, sets and mappings."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

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
from signals_app.redaction import beginning

T = TypeVar("T")
Moment = TypeVar("Moment", datetime, time)

_MOST_ALIKE = 100  # items of one hash: each is compared with all of the others, in C, where no timeout reaches
_MOST_DIGITS = 10_000  # of a Decimal before or after its point: int() of 1E+999999999 would not end


def _same(value: Json, walk: Encoder) -> Json:
    return value


def encode_text(value: str, walk: Encoder) -> Json:
    """Return the text itself. Raises Refusal for what databases or UTF-8 cannot hold."""
    if "\0" in value:
        raise Refusal(
            value,
            f"has a NUL character at index {value.index(chr(0))}, which PostgreSQL cannot store",
            "Remove it, or pass bytes.",
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Refusal(
                value,
                f"has half of a surrogate pair at index {error.start}, which UTF-8 cannot hold",
                'Remove it, or pass bytes: value.encode("utf-8", "surrogatepass").',
            ) from None
    return value


def _encode_int(value: int, walk: Encoder) -> Json:
    # beyond 64 bits JSON readers differ, and Python reads no decimal of more than 4,300 digits
    return value if -(2**63) <= value < 2**63 else {"$int": hex(value)}


def _encode_float(value: float, walk: Encoder) -> Json:
    # JSON has no NaN and no infinity; -0.0 and 1e22 come back as ints from some of its readers
    if -1e16 < value < 1e16 and (value or str(value) == "0.0"):
        return value
    return {"$float": str(value)}


def _encode_timedelta(value: timedelta, walk: Encoder) -> Json:
    return {"$timedelta": [value.days, value.seconds, value.microseconds]}


def _encode_moment(value: datetime | time, walk: Encoder) -> Json:
    """Write ISO 8601 where that says all, else ``[clock, zone, fold]``."""
    tag = "$datetime" if isinstance(value, datetime) else "$time"
    zone = value.tzinfo
    if not value.fold and (zone is None or zone is UTC or _is_plain_offset(zone)):
        return {tag: value.isoformat()}
    return {
        tag: [value.replace(tzinfo=None).isoformat(), _encode_zone(value, walk), value.fold],
    }


def _is_plain_offset(zone: tzinfo) -> bool:
    if type(zone) is not timezone or _own_name(zone) is not None:
        return False
    return not zone.utcoffset(None).microseconds  # fromisoformat() takes less than a second for UTC


def _own_name(zone: timezone) -> str | None:
    name = zone.tzname(None)
    return None if name == timezone(zone.utcoffset(None)).tzname(None) else name


def _encode_zone(value: datetime | time, walk: Encoder) -> Json:
    zone = value.tzinfo
    if zone is None:
        return None
    if type(zone) is timezone:
        return [walk.encode(zone.utcoffset(None)), walk.encode(_own_name(zone))]
    if issubclass(type(zone), ZoneInfo) and zone.key:  # type: ignore[attr-defined]
        return walk.encode(zone.key)  # type: ignore[attr-defined]
    raise Refusal(
        value,
        f"has a tzinfo of {type(zone).__module__}.{type(zone).__qualname__}, which has no name to find it by",
        "Use zoneinfo.ZoneInfo(name) or datetime.timezone.",
    )


def _encode_decimal(value: Decimal, walk: Encoder) -> Json:
    if not is_bounded(value):
        raise Refusal(
            value,
            f"has more than {_MOST_DIGITS:,} digits before or after its point",
            "Round it, or pass str({path}).",
        )
    return {"$decimal": str(value)}


def is_bounded(value: Decimal) -> bool:
    """Tell whether a number written out in digits would be of a sensible length."""
    return abs(value.adjusted()) <= _MOST_DIGITS


def _tagged(tag: str, write: Callable[[T], Json]) -> Callable[[T, Encoder], Json]:
    return lambda value, walk: {tag: write(value)}


def _base64(value: bytes | bytearray) -> str:
    return b64encode(value).decode("ascii")


def text(value: Json) -> str:
    """Return a string as it is. Raises Malformed for anything else."""
    if type(value) is not str:
        raise Malformed("is not a string")
    return value


def _decode_timedelta(value: Json) -> timedelta:
    if type(value) is not list or [type(part) for part in value] != [int, int, int]:
        raise Malformed("is not [days, seconds, microseconds]")
    return timedelta(*value)  # type: ignore[arg-type]


def _decode_moment(value: Json, kind: type[Moment], walk: Decoder) -> Moment:
    if type(value) is str:
        return kind.fromisoformat(value)
    if type(value) is not list or len(value) != 3:
        raise Malformed("is neither ISO 8601 nor [clock, zone, fold]")
    clock, zone, fold = value
    if type(fold) is not int:
        raise Malformed("has a fold that is not 0 or 1")
    return kind.fromisoformat(text(clock)).replace(tzinfo=_decode_zone(zone, walk), fold=fold)


def _decode_zone(value: Json, walk: Decoder) -> tzinfo | None:
    if value is None:
        return None
    if type(value) is not list:
        return ZoneInfo(text(value))
    offset, name = value
    delta = walk.decode(offset)
    if not isinstance(delta, timedelta):
        raise Malformed("has a zone whose offset is not a timedelta")
    return timezone(delta) if name is None else timezone(delta, text(name))


def _decode_decimal(value: str) -> Decimal:
    number = Decimal(value)
    if not is_bounded(number):
        raise Malformed(f"has more than {_MOST_DIGITS:,} digits before or after its point")
    return number


def _checked(read: Callable[[Json, Decoder], object]) -> Decode:
    """Say of whatever a constructor raises that the payload is malformed."""

    def decode(value: Json, walk: Decoder) -> object:
        try:
            return read(value, walk)
        except (ValueError, TypeError, ArithmeticError, LookupError, OSError) as error:
            raise Malformed(f"cannot be read: {beginning(str(error), 200) or type(error).__name__}") from error

    return decode


def _read(make: Callable[[str], object]) -> Decode:
    return _checked(lambda value, walk: make(text(value)))


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


ENCODERS: dict[type, Encode] = {
    type(None): _same,
    bool: _same,
    int: _encode_int,
    float: _encode_float,
    str: encode_text,
    SafeString: lambda value, walk: encode_text(str.__str__(value), walk),
    bytes: _tagged("$bytes", _base64),
    bytearray: _tagged("$bytearray", _base64),
    datetime: _encode_moment,
    time: _encode_moment,
    date: _tagged("$date", date.isoformat),
    timedelta: _encode_timedelta,
    Decimal: _encode_decimal,
    UUID: _tagged("$uuid", str),
    list: encode_items,
    dict: _encode_dict,
    tuple: lambda value, walk: {"$tuple": encode_items(value, walk)},
    set: _encode_set("$set"),
    frozenset: _encode_set("$frozenset"),
}
DECODERS: dict[str, Decode] = {
    "$int": _read(lambda value: int(value, 16)),
    "$float": _read(float),
    "$bytes": _read(lambda value: b64decode(value, validate=True)),
    "$bytearray": _read(lambda value: bytearray(b64decode(value, validate=True))),
    "$datetime": _checked(lambda value, walk: _decode_moment(value, datetime, walk)),
    "$time": _checked(lambda value, walk: _decode_moment(value, time, walk)),
    "$date": _read(date.fromisoformat),
    "$timedelta": _checked(lambda value, walk: _decode_timedelta(value)),
    "$decimal": _read(_decode_decimal),
    "$uuid": _read(UUID),
    "$dict": _decode_pairs,
    "$tuple": lambda value, walk: tuple(decode_items(value, walk)),
    "$set": _gathering(set),
    "$frozenset": _gathering(frozenset),
}
