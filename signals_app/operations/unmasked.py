"""What a search may find in texts that can hold secrets: what people are shown of them, and no more.

Who could find a delivery by a part of its password could ask for that password letter by letter. The database knows
nothing of masking; so a match in a text that may hold a secret at all is looked at here, for the newest matches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from signals_app.conf import conf
from signals_app.masking import TELLTALES, masked, masked_text

CHECKED = 500  # matches that are looked at; older ones of texts that may hold a secret are not found

_BEGINNING = 3  # letters of a name of secrets; the rest may be written otherwise: api_key, ApiKey

M = TypeVar("M", bound=Model)


def found_in_payload(rows: QuerySet[M], column: str, wordings: Collection[str]) -> Q:
    """Return the condition that the payload, as it is shown, has one of these wordings of a word."""
    return _found(rows, column, wordings, _shown_payload)


def found_in_text(rows: QuerySet[M], column: str, word: str) -> Q:
    """Return the condition that a text, as it is shown, has a word."""
    return _found(rows, column, (word,), masked_text)


def _found(rows: QuerySet[M], column: str, wordings: Collection[str], read: Callable[[str], str]) -> Q:
    match = _has_any(column, wordings)
    may_hide = _has_any(column, TELLTALES | {name[:_BEGINNING] for name in conf.mask if name})
    newest = rows.filter(match, may_hide).order_by("-pk").values_list("pk", column)[:CHECKED]
    shown = [pk for pk, text in newest if _has(read(text), wordings)]
    return (match & ~may_hide) | Q(pk__in=shown)


def _has_any(column: str, texts: Collection[str]) -> Q:
    found = Q()
    for text in sorted(texts):
        found |= Q(**{f"{column}__icontains": text})
    return found


def _has(text: str, wordings: Collection[str]) -> bool:
    return any(wording.casefold() in text.casefold() for wording in wordings)


def _shown_payload(payload: str) -> str:
    """Return a payload with its secrets masked, as compact as it is stored."""
    try:
        return json.dumps(masked(json.loads(payload)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return masked_text(payload)
