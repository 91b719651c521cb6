"""Secrets in decoded JSON, such as a payload."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.db.models import IntegerField

from signals_app.redaction.names import MASKED, is_secret
from signals_app.redaction.texts import masked_text

_NAME = re.compile(r"[\w.-]+(?:\[\])?")
_BYTES = ("$bytes", "$bytearray")
# what ends so may name a value that stands beside it
_FIELDS = ("name", "key", "field", "header", "label", "parameter", "attribute", "variable", "setting")
_VALUES = ("value", "values", "val", "content", "old", "new")


def masked(value: Any, *, name: str = "") -> Any:
    """Return a copy of decoded JSON with its secrets masked, such as a payload's; ``name`` is what holds it.

    None, True and False are shown: they tell whether there is a secret and not which. Texts are masked as
    ``masked_text`` does. Of two items, such as a header's, the second is masked where the first is a secret's name, and
    so is the value of a field that is told by two: ``{"name": "password", "value": …}``. A model instance is masked
    where its model or its primary key bears a secret's name.
    """
    if name and is_secret(name):
        return _hidden(value)
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        hides = _names_a_secret(value.items())
        return {
            key if key.isidentifier() or key in _BYTES else masked_text(key): _masked_item(key, item, hides=hides)
            for key, item in value.items()
        }
    if isinstance(value, list):
        # a header or a field of a form, and not, say, a subject and a text
        is_pair = len(value) == 2 and _NAME.fullmatch(_name_of(value[0]))
        return _masked_pair(value) if is_pair else _masked_items(value)
    return value


def _hidden(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else MASKED


def _masked_item(key: str, item: Any, *, hides: bool) -> Any:
    if key == "$dict" and isinstance(item, list):
        hides = _names_a_secret(pair for pair in item if _has_two(pair))
        return [_masked_pair(pair, hides=hides) if _has_two(pair) else masked(pair) for pair in item]
    if key == "$instance" and isinstance(item, list) and len(item) == 3 and has_secret_key(item[0]):
        return [item[0], MASKED, item[2]]
    if key == "$snapshot" and isinstance(item, Mapping) and has_secret_key(item.get("model")):
        item = _with_keys_masked(item)
    if key in _BYTES and masked_text(raw := _name_of({"$bytes": item})) != raw:
        return MASKED
    return _hidden(item) if hides and key.casefold().endswith(_VALUES) else masked(item, name=key)


def _with_keys_masked(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = snapshot.get("fields")
    try:
        keys = [field.attname for field in apps.get_model(snapshot["model"])._meta.pk_fields]
    except (LookupError, ValueError, TypeError, AttributeError):
        keys = []
    if not isinstance(fields, Mapping):
        return snapshot
    return {**snapshot, "fields": {**fields, **{name: MASKED for name in keys if name in fields}}}


def _names_a_secret(items: Iterable[Any]) -> bool:
    """Tell whether one of these says that another is a secret, as ``name`` does in a field of name and value."""
    names = (_name_of(item) for key, item in items if _name_of(key).casefold().endswith(_FIELDS))
    return any(_NAME.fullmatch(name) and is_secret(name) for name in names)


def _has_two(items: Any) -> bool:
    return isinstance(items, list) and len(items) == 2


def _masked_items(items: list[Any]) -> list[Any]:
    """Mask each item, and what follows an option, as in ``["mysql", "--password", "…"]``."""
    before = ["", *items[:-1]]
    is_option = [isinstance(one, str) and one.startswith("--") and _NAME.fullmatch(one) for one in before]
    return [masked(item, name=before[at] if is_option[at] else "") for at, item in enumerate(items)]


def _masked_pair(pair: list[Any], *, hides: bool = False) -> list[Any]:
    key, item = pair
    name = _name_of(key)
    return [masked(key), _hidden(item) if hides and name.casefold().endswith(_VALUES) else masked(item, name=name)]


def _name_of(key: Any) -> str:
    """Return what a key says: a text, bytes, or the name of a member of an enumeration."""
    if isinstance(key, Mapping) and isinstance(raw := key.get("$bytes"), str):
        with suppress(ValueError):
            return b64decode(raw).decode("latin-1")
    if isinstance(key, Mapping) and isinstance(member := key.get("$enum"), list) and member:
        return str(member[-1])
    return key if isinstance(key, str) else ""


def has_secret_key(label: Any) -> bool:
    """Tell whether the primary key of a model is itself the secret, as a token's or a session's is; a number is not."""
    is_secrets = is_secret(str(label).rpartition(".")[2])
    try:
        key = apps.get_model(label)._meta.pk
    except (LookupError, ValueError, TypeError, AttributeError):
        return is_secrets
    return is_secret(key.name) or (is_secrets and not isinstance(key, IntegerField))
