"""JSON text to signal arguments."""

from __future__ import annotations

import json
from dataclasses import dataclass

from signals_app.conf import conf
from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import classes, instances, values
from signals_app.payloads.errors import MAX_DEPTH, TAG, BrokenOff, Decode, Gone, Json, Malformed, each, shown, size_of
from signals_app.redaction import MASKED, has_secret_key

_read = json.JSONDecoder().decode  # as json.loads() of a str
_PLAIN = frozenset({str, int, float, bool, type(None)})
_DECODERS: dict[str, Decode] = values.DECODERS | classes.DECODERS | instances.DECODERS
_LONGEST = 500  # characters of what is wrong: it may name what was forged
_DEPTH = MAX_DEPTH + 4  # a tagged value, such as a primary key, may hang on the deepest container


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a receiver gets, beside its signal."""

    sender: object
    arguments: dict[str, object]


def decode_text(text: str) -> Decoded:
    """Return what ``encode_arguments`` was given; raises as ``decode_arguments`` does."""
    if size_of(text) > conf.max_payload:
        raise PayloadError(
            f'The payload takes more than the {conf.max_payload:,} bytes that SIGNALS_APP["MAX_PAYLOAD"] allows here. '
            "Was the limit lowered since the signal was sent?"
        )
    try:
        payload: Json = _read(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"The payload is no JSON: {error}.") from error
    return decode_arguments(payload)


def decode_arguments(payload: Json) -> Decoded:
    """Return sender and arguments of a payload, parsed from JSON; one query for each model instance in it.

    Raises MissingObject where an instance does not exist any more, PayloadError where the payload is malformed or names
    what this process does not have, and the database's own errors where it cannot be asked.
    """
    if type(payload) is not dict or len(payload) != 2 or "sender" not in payload or "arguments" not in payload:
        raise PayloadError('The payload is malformed: it is not {"sender": …, "arguments": {…}}.')
    arguments = payload["arguments"]
    if type(arguments) is not dict or not all(
        type(name) is str and name not in ("sender", "signal") for name in arguments
    ):
        raise PayloadError("The payload is malformed: its arguments are not an object of names.")
    decoded: dict[str, object] = {}
    name = "sender"
    try:
        sender = _decode_sender(payload["sender"])
        for name, value in arguments.items():
            if type(value) in _PLAIN:
                decoded[name] = value
            else:
                decoded[name] = _decode_argument(value, decoded)
    except BrokenOff as broken:
        raise _error(broken, name) from broken.__cause__
    return Decoded(sender=sender, arguments=decoded)


def _decode_sender(written: Json) -> object:
    """Return a sender; the name of a class that this process does not have, rather than lose the arguments for it."""
    if type(written) in _PLAIN:
        return written
    try:
        return _Walk().decode(written)
    except Malformed:
        path = written.get("$class", written.get("$model")) if type(written) is dict and len(written) == 1 else None
        if type(path) is not str:
            raise
        return path.replace(":", ".")


def _decode_argument(value: Json, before: dict[str, object]) -> object:
    """Return an argument, which may be an instance that an argument before it is, too."""
    if type(value) is not dict or value.keys() != {"$argument"}:
        return _Walk().decode(value)
    name = value["$argument"]
    if type(name) is not str or name not in before:
        raise Malformed(f"is the same as {shown(name)}, which is no argument before it")
    return before[name]


class _Walk:
    __slots__ = ("_depth",)

    def __init__(self) -> None:
        self._depth = 0

    def decode(self, value: Json) -> object:
        kind = type(value)
        if kind in _PLAIN:
            return value
        self._depth += 1
        if self._depth > _DEPTH:
            raise Malformed(f"is nested deeper than {MAX_DEPTH} levels")
        if type(value) is list:
            read: object = values.decode_items(value, self)
        elif type(value) is dict:
            read = self._decode_object(value)
        else:
            raise Malformed(f"is a {kind.__qualname__}, which JSON does not have")
        self._depth -= 1
        return read

    def _decode_object(self, value: dict[str, Json]) -> object:
        for key in value:
            if type(key) is not str:
                raise Malformed(f"has the key {shown(key)}, which is not a string")
            if key.startswith(TAG):
                break
        else:
            return each(value, self.decode, holder=value, step=values.key_step)
        decode = _DECODERS.get(key)
        if decode is None or len(value) > 1:
            raise Malformed(f"has the tag {shown(key)}, which is unknown or not alone")
        return decode(value[key], self)


def _error(broken: BrokenOff, name: str) -> PayloadError | MissingObject:
    path = broken.path(name)
    if isinstance(broken, Gone):
        pk = MASKED if has_secret_key(broken.model) else shown(broken.pk)
        return MissingObject(
            f"{path} was {broken.model} with primary key {pk} in the database {broken.database!r}, "
            'which does not exist any more. missing="skip" cancels such deliveries; a snapshot does without the row.'
        )
    reason = broken.reason if isinstance(broken, Malformed) else "cannot be read"
    reason = reason[:_LONGEST]
    end = "" if reason.endswith((".", "?")) else "."
    return PayloadError(f"The payload is malformed: {path} {reason}{end}")
