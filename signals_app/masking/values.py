"""Secrets in decoded JSON, such as a payload."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.apps import apps

from signals_app.masking.names import MASKED, is_secret
from signals_app.masking.texts import masked_text

_NAME = re.compile(r"[\w.-]+(?:\[\])?")


def masked(value: Any, *, name: str = "") -> Any:
    """Return a copy of decoded JSON with its secrets masked, such as a payload's; ``name`` is what holds it.

    None, True and False are shown: they tell whether there is a secret and not which. Texts are masked as
    ``masked_text`` does. Of two items, such as a header's, the second is masked where the first is a secret's name. A
    model instance is masked where its model or its primary key bears a secret's name.
    """
    if value is None or isinstance(value, bool):
        return value
    if name and is_secret(name):
        return MASKED
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return {key: _masked_item(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return _masked_pair(value) if _is_pair(value) else [masked(item) for item in value]
    return value


def _masked_item(key: str, item: Any) -> Any:
    if key == "$dict" and isinstance(item, list):
        return [_masked_pair(pair) if isinstance(pair, list) and len(pair) == 2 else masked(pair) for pair in item]
    if key == "$instance" and isinstance(item, list) and len(item) == 3 and has_secret_key(item[0]):
        return [item[0], MASKED, item[2]]
    return masked(item, name=key)


def _is_pair(items: list[Any]) -> bool:
    """Tell a header or a field of a form from, say, a subject and a text."""
    return len(items) == 2 and _NAME.fullmatch(_name_of(items[0])) is not None


def _masked_pair(pair: list[Any]) -> list[Any]:
    key, item = pair
    return [masked(key), masked(item, name=_name_of(key))]


def _name_of(key: Any) -> str:
    """Return what a key says: a text, bytes, or the name of a member of an enumeration."""
    if isinstance(key, Mapping) and isinstance(raw := key.get("$bytes"), str):
        with suppress(ValueError):
            return b64decode(raw).decode("latin-1")
    if isinstance(key, Mapping) and isinstance(member := key.get("$enum"), list) and member:
        return str(member[-1])
    return key if isinstance(key, str) else ""


def has_secret_key(label: Any) -> bool:
    """Tell whether the primary key of a model is itself the secret, as a token's or a session's is."""
    if is_secret(str(label).rpartition(".")[2]):
        return True
    try:
        return is_secret(apps.get_model(label)._meta.pk.name)
    except (LookupError, ValueError, TypeError, AttributeError):
        return False
