"""Arguments on their way to a worker and back, and what is said of those that cannot travel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signals_app.exceptions import PayloadError
from signals_app.payloads import Decoded, decode_arguments, encode_arguments

WHO = "receivers.work cannot receive shop.placed: "


def encode(arguments: dict[str, object], sender: object = None, snapshot: tuple[str, ...] = ()) -> str:
    """Return the payload of a send."""
    return encode_arguments(
        arguments, sender=sender, signal="shop.placed", receiver="receivers.work", snapshot=snapshot
    )


def there_and_back(value: object, *, snapshot: bool = False) -> Any:
    """Return what a receiver gets for a value."""
    text = encode({"value": value}, snapshot=("value",) if snapshot else ())
    return decode_arguments(text).arguments["value"]


def read(payload: object) -> Decoded:
    """Return what a payload that nobody's signal wrote makes."""
    return decode_arguments(json.dumps(payload))


def refusal(value: object, sender: object = None) -> str:
    """Return what is said of an argument ``order`` that cannot travel, without who sends it to whom."""
    with pytest.raises(PayloadError) as caught:
        encode({"order": value}, sender)
    message = str(caught.value)
    assert message.startswith(WHO)
    return message.removeprefix(WHO)
