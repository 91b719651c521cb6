"""Secrets in decoded JSON, such as a payload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps

from signals_app.masking.names import MASKED, is_secret
from signals_app.masking.texts import masked_text


def masked(value: Any, *, name: str = "") -> Any:
    """Return a copy of decoded JSON with its secrets masked, such as a payload's; ``name`` is what holds it.

    None, True and False are shown: they tell whether there is a secret and not which. Texts are masked as
    ``masked_text`` does. A model instance is masked where its model or its primary key bears a secret's name.
    """
    if value is None or isinstance(value, bool):
        return value
    if name and is_secret(name):
        return MASKED
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return {key: _masked_item(key, item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def _masked_item(key: str, item: Any) -> Any:
    if key == "$dict" and isinstance(item, list):
        return [_masked_pair(pair) for pair in item]
    if key == "$instance" and isinstance(item, list) and len(item) == 3 and any(map(is_secret, _names_of(item[0]))):
        return [item[0], MASKED, item[2]]
    return masked(item, name=key)


def _masked_pair(pair: Any) -> Any:
    if not isinstance(pair, list) or len(pair) != 2:
        return masked(pair)
    key, item = pair
    member = key.get("$enum") if isinstance(key, dict) else None
    name = key if isinstance(key, str) else str(member[-1]) if isinstance(member, list) and member else ""
    return [masked(key), masked(item, name=name)]


def _names_of(label: Any) -> Iterable[str]:
    """Return the names of a model and of its primary key: a token's or a session's is itself the secret."""
    name = str(label).rpartition(".")[2]
    try:
        return name, apps.get_model(label)._meta.pk.name
    except (LookupError, ValueError, TypeError, AttributeError):
        return (name,)
