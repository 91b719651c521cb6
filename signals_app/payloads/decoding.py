"""JSON text to signal arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass

from signals_app.conf import conf
from signals_app.exceptions import PayloadError
from signals_app.payloads import classes, instances, values
from signals_app.payloads.errors import (
    MAX_DEPTH,
    TAG,
    Decode,
    Gone,
    Json,
    Malformed,
    each_named,
    key_step,
    shown,
    size_of,
)

_from_text = json.JSONDecoder().decode  # as json.loads() of a str
_PLAIN = frozenset({str, int, float, bool, type(None)})
_DECODERS = values.DECODERS | classes.DECODERS | instances.DECODERS
_CHECKERS = _DECODERS | instances.CHECKERS
_DEPTH = MAX_DEPTH + 4  # a tagged value, such as a primary key, may hang on the deepest container


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a receiver gets, beside its signal."""

    sender: object
    arguments: dict[str, object]


def decode_arguments(text: str, *, only_check: bool = False) -> Decoded:
    """Return what ``encode_arguments`` was given; one query for each row that it refers to.

    Raises MissingObject where an instance no longer exists, PayloadError where the payload is malformed or names
    what this process does not have, and the database's own errors where it cannot be asked.

    With ``only_check`` there is no query, and no code of the project runs: an instance has nothing but its primary key.
    Then a sender that this process does not have is an error, too.
    """
    if size_of(text) > conf.max_payload:
        raise PayloadError(
            f'The payload takes more than the {conf.max_payload:,} bytes that SIGNALS_APP["MAX_PAYLOAD"] allows here. '
            "Was the limit lowered since the signal was sent?"
        )
    try:
        payload: Json = _from_text(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"The payload is no JSON: {error}.") from error
    if type(payload) is not dict or payload.keys() != {"sender", "arguments"}:
        raise PayloadError('The payload is malformed: it is not {"sender": …, "arguments": {…}}.')
    arguments = payload["arguments"]
    if type(arguments) is not dict or "sender" in arguments or "signal" in arguments:
        raise PayloadError("The payload is malformed: its arguments are not an object of names.")
    decoded: dict[str, object] = {}
    fetched: dict[str, object] = {}
    decoders = _CHECKERS if only_check else _DECODERS
    sender, name = None, "sender"
    try:
        if not only_check:
            sender = _decode_sender(payload["sender"])
        for name, value in arguments.items():
            decoded[name] = value if type(value) in _PLAIN else _decode_argument(value, decoded, fetched, decoders)
        if only_check:  # last, for a receiver misses its arguments more than its sender
            name, sender = "sender", _Walk({}, decoders).decode(payload["sender"])
    except (Malformed, Gone) as broken:
        raise broken.error(name) from broken.__cause__
    return Decoded(sender=sender, arguments=decoded)


def _decode_sender(written: Json) -> object:
    """Return a sender; of a class that this process does not have its name, so that no argument is lost for it."""
    try:
        return _Walk({}, _DECODERS).decode(written)
    except Malformed:
        path = written.get("$class", written.get("$model")) if type(written) is dict and len(written) == 1 else None
        if type(path) is not str:
            raise
        return path.replace(":", ".")


def _decode_argument(
    value: Json, before: dict[str, object], fetched: dict[str, object], decoders: dict[str, Decode]
) -> object:
    """Return an argument, which may be the same instance as one before it."""
    if type(value) is not dict or value.keys() != {"$argument"}:
        return _Walk(fetched, decoders).decode(value)
    name = value["$argument"]
    if type(name) is not str or name not in before:
        raise Malformed(f"is the same as {shown(name)}, which is no argument before it")
    return before[name]


class _Walk:
    __slots__ = ("_decoders", "_depth", "_fetched")

    def __init__(self, fetched: dict[str, object], decoders: dict[str, Decode]) -> None:
        self._depth = 0
        self._decoders = decoders
        self._fetched = fetched  # instances, by the reference as it is written

    def decode(self, value: Json) -> object:
        if type(value) in _PLAIN:
            return value
        self._depth += 1
        if self._depth > _DEPTH:
            raise Malformed(f"is nested deeper than {MAX_DEPTH} levels")
        made = self._decode_object(value) if type(value) is dict else values.decode_items(value, self.decode)
        self._depth -= 1
        return made

    def _decode_object(self, value: dict[str, Json]) -> object:
        for key in value:
            if key.startswith(TAG):
                break
        else:
            return each_named(value, self.decode, value, key_step)
        decode = self._decoders.get(key)
        if decode is None or len(value) > 1:
            raise Malformed(f"has the tag {shown(key)}, which is unknown or not alone")
        if key != "$instance":
            return decode(value[key], self.decode)
        reference = str(value[key])
        if reference not in self._fetched:
            self._fetched[reference] = decode(value[key], self.decode)
        return self._fetched[reference]
