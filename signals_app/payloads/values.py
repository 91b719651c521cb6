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
    Decode,
    Encode,
    Encoder,
    Json,
    Malformed,
    Read,
    Refusal,
    each,
    each_named,
    field_step,
    is_utf_8,
    item_step,
    key_step,
)
from signals_app.redaction import beginning

T = TypeVar("T")
Moment = TypeVar("Moment", datetime, time)

_MOST_ALIKE = 100  # items of one hash: each is compared with all the others, in C, where no timeout reaches
_MOST_DIGITS = 10_000  # of a Decimal before or after its point: int() of 1E+999999999 would not end
_TOO_LONG = f"has more than {_MOST_DIGITS:,} digits before or after its point"


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


def _encode_moment(value: datetime | time, walk: Encoder) -> Json:
    """Write ISO 8601 where that says all, else ``[clock, zone, fold]``."""
    tag = "$datetime" if isinstance(value, datetime) else "$time"
    zone, fold = value.tzinfo, value.fold
    if not fold and (zone is None or zone is UTC):
        return {tag: value.isoformat()}
    written: Json = None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        own_name = None if name == timezone(offset).tzname(None) else name
        if not fold and own_name is None and not offset.microseconds:  # of which fromisoformat() makes UTC
            return {tag: value.isoformat()}
        written = [walk.encode(offset), walk.encode(own_name)]
    elif isinstance(zone, ZoneInfo) and zone.key:
        written = walk.encode(zone.key)
    elif zone is not None:
        raise Refusal(
            value,
            f"has a tzinfo of {type(zone).__module__}.{type(zone).__qualname__}, which has no name to find it by",
            "Use zoneinfo.ZoneInfo(name) or datetime.timezone.",
        )
    return {tag: [value.replace(tzinfo=None).isoformat(), written, fold]}


def _encode_decimal(value: Decimal, walk: Encoder) -> Json:
    if not is_bounded(value):
        raise Refusal(value, _TOO_LONG, "Round it, or pass str({path}).")
    return {"$decimal": str(value)}


def is_bounded(value: Decimal) -> bool:
    """Return whether a number has a sensible length when it is written out in digits."""
    return abs(value.adjusted()) <= _MOST_DIGITS


def _tagged(tag: str, write: Callable[[T], Json]) -> Callable[[T, Encoder], Json]:
    return lambda value, walk: {tag: write(value)}


def _base64(value: bytes | bytearray) -> str:
    return b64encode(value).decode("ascii")


def text(value: Json) -> str:
    """Return a string unchanged. Raises Malformed for anything else."""
    if type(value) is not str:
        raise Malformed("is not a string")
    return value


def _checked(make: Decode) -> Decode:
    """Turn whatever a constructor raises into Malformed."""

    def decode(value: Json, read: Read) -> object:
        try:
            return make(value, read)
        except (ValueError, TypeError, ArithmeticError, LookupError, OSError) as error:
            raise Malformed(f"cannot be read: {beginning(str(error), 200) or type(error).__name__}") from error

    return decode


def _of_text(make: Callable[[str], object]) -> Decode:
    return _checked(lambda value, read: make(text(value)))


@_checked
def _decode_timedelta(value: Json, read: Read) -> timedelta:
    if type(value) is not list or [type(part) for part in value] != [int, int, int]:
        raise Malformed("is not [days, seconds, microseconds]")
    return timedelta(*value)  # type: ignore[arg-type]


def _moments(kind: type[Moment]) -> Decode:
    def decode(value: Json, read: Read) -> Moment:
        if type(value) is str:
            return kind.fromisoformat(value)
        if type(value) is not list or len(value) != 3:
            raise Malformed("is neither ISO 8601 nor [clock, zone, fold]")
        clock, written, fold = value
        if type(fold) is not int:
            raise Malformed("has a fold that is not 0 or 1")
        zone: tzinfo | None = None
        if type(written) is list:
            first, name = written
            offset = read(first)
            if not isinstance(offset, timedelta):
                raise Malformed("has a zone whose offset is not a timedelta")
            zone = timezone(offset) if name is None else timezone(offset, text(name))
        elif written is not None:
            zone = ZoneInfo(text(written))
        return kind.fromisoformat(text(clock)).replace(tzinfo=zone, fold=fold)

    return _checked(decode)


def _decimal(value: str) -> Decimal:
    number = Decimal(value)
    if not is_bounded(number):
        raise Malformed(_TOO_LONG)
    return number


def encode_items(value: Collection[object], walk: Encoder, step: Callable[[int], str] = item_step) -> list[Json]:
    """Return the JSON of each item. Raises BrokenOff with a step to the item in its path."""
    walk.enter(len(value))
    written = each(value, walk.encode, value, step)
    walk.depth -= 1
    return written


def encode_named(
    parts: dict[str, object], walk: Encoder, holder: object, step: Callable[[str], str] = field_step
) -> Json:
    """Return an object of the same names. Raises BrokenOff with a step to the part in its path."""
    walk.enter(len(parts))
    written = each_named(parts, walk.encode, holder, step)
    walk.depth -= 1
    return written


def _encode_dict(value: dict[Any, object], walk: Encoder) -> Json:
    for key in value:
        if type(key) is not str or key.startswith(TAG) or "\0" in key or not (key.isascii() or is_utf_8(key)):
            return {"$dict": _encode_pairs(value, walk)}
    return encode_named(value, walk, value, key_step)


def _encode_pairs(value: dict[object, object], walk: Encoder) -> Json:
    walk.enter(len(value) * 2)
    _refuse_alike(value)
    keys = each(value, walk.encode, value, ".keys()[{}]".format)
    items = each(value.values(), walk.encode, value, lambda index: key_step([*value][index]))
    walk.depth -= 1
    return [[key, item] for key, item in zip(keys, items, strict=True)]


def _encode_set(value: set[object] | frozenset[object], walk: Encoder) -> Json:
    written = encode_items(value, walk, "{{…}}".format)
    _refuse_alike(value)
    return {"$set" if isinstance(value, set) else "$frozenset": written}


def _refuse_alike(value: Collection[object]) -> None:
    if problem := _too_many_alike(value):
        raise Refusal(value, problem, "Pass a list.")


def _too_many_alike(items: Collection[object]) -> str:
    """Return what is wrong where too many items share a hash, else an empty text."""
    most = max(Counter(map(hash, items)).values()) if len(items) > _MOST_ALIKE else 0
    return f"holds {most:,} items of one hash, of {_MOST_ALIKE} that there may be" if most > _MOST_ALIKE else ""


def decode_items(value: Json, read: Read) -> list[object]:
    """Return the value of each item. Raises BrokenOff, Malformed where there is no list."""
    if type(value) is not list:
        raise Malformed("is not a list")
    return each(value, read, value)


def _decode_pairs(value: Json, read: Read) -> object:
    if type(value) is not list or any(type(pair) is not list or len(pair) != 2 for pair in value):
        raise Malformed("is not a list of [key, value] pairs")
    pairs = [decode_items(pair, read) for pair in value]
    return _gathered(dict, pairs, [key for key, _ in pairs])


def _gathering(kind: Callable[[Any], Collection[object]]) -> Decode:
    def decode(value: Json, read: Read) -> object:
        items = decode_items(value, read)
        return _gathered(kind, items, items)

    return decode


def _gathered(kind: Callable[[Any], Collection[object]], items: Sequence[object], hashed: Sequence[object]) -> object:
    try:
        problem = _too_many_alike(hashed)
        made = () if problem else kind(items)
    except Exception as error:  # whatever a __hash__ or an __eq__ of a part raises
        raise Malformed(f"holds what cannot be in it: {error}") from error
    if problem or len(made) != len(items):
        raise Malformed(problem or "holds the same key or item twice")
    return made


ENCODERS: dict[type, Encode] = {
    type(None): lambda value, walk: value,
    bool: lambda value, walk: value,
    int: _encode_int,
    float: _encode_float,
    str: encode_text,
    SafeString: lambda value, walk: encode_text(str.__str__(value), walk),
    bytes: _tagged("$bytes", _base64),
    bytearray: _tagged("$bytearray", _base64),
    datetime: _encode_moment,
    time: _encode_moment,
    date: _tagged("$date", date.isoformat),
    timedelta: _tagged("$timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: _encode_decimal,
    UUID: _tagged("$uuid", str),
    list: encode_items,
    dict: _encode_dict,
    tuple: lambda value, walk: {"$tuple": encode_items(value, walk)},
    set: _encode_set,
    frozenset: _encode_set,
}
DECODERS: dict[str, Decode] = {
    "$int": _of_text(lambda value: int(value, 16)),
    "$float": _of_text(float),
    "$bytes": _of_text(lambda value: b64decode(value, validate=True)),
    "$bytearray": _of_text(lambda value: bytearray(b64decode(value, validate=True))),
    "$datetime": _moments(datetime),
    "$time": _moments(time),
    "$date": _of_text(date.fromisoformat),
    "$timedelta": _decode_timedelta,
    "$decimal": _of_text(_decimal),
    "$uuid": _of_text(UUID),
    "$dict": _decode_pairs,
    "$tuple": lambda value, read: tuple(decode_items(value, read)),
    "$set": _gathering(set),
    "$frozenset": _gathering(frozenset),
}
