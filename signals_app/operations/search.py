"""Finding deliveries and attempts by what is in them.

``#42`` is delivery 42 and the UUID of an emission that exists is that emission: both are index probes. Any other word
is looked for inside texts, which reads every row that the filters leave; a chosen date or receiver makes it quick.
Secrets are not found: see ``unmasked``.
"""

from __future__ import annotations

import json
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _

from signals_app.models import Attempt, Delivery
from signals_app.operations.unmasked import found_in_payload, found_in_text

DELIVERY_HELP = _(
    "#42 finds delivery 42. Words are looked for in emission, receiver, sender, payload, errors and hosts."
)
ATTEMPT_HELP = _(
    "#42 finds the attempts of delivery 42. Words are looked for in error class, message, owner and receiver."
)

_LARGEST_ID = 2**63 - 1


def find_deliveries(queryset: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
    """Return the deliveries that match every word of a search."""
    for word in words(text):
        queryset = queryset.filter(_delivery_has(word, queryset))
    return queryset


def find_attempts(queryset: QuerySet[Attempt], text: str) -> QuerySet[Attempt]:
    """Return the attempts that match every word of a search."""
    for word in words(text):
        queryset = queryset.filter(_attempt_has(word, queryset))
    return queryset


def words(text: str) -> list[str]:
    """Split a search into words; what stands in quotes is one."""
    found = []
    for word in smart_split(text):
        quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
        found.append(unescape_string_literal(word) if quoted else word)
    return [word for word in found if word]


def row_number(word: str) -> int | None:
    """Read the number of a row; None for what none can have."""
    if not (word.isascii() and word.isdecimal() and len(word) < 20):
        return None
    number = int(word)
    return number if number <= _LARGEST_ID else None


def _delivery_has(word: str, rows: QuerySet[Delivery]) -> Q:
    if word.startswith("#") and (number := row_number(word[1:])) is not None:
        return Q(pk=number)
    emission = _uuid(word)
    if emission and Delivery.objects.using(rows.db).filter(emission=emission).exists():
        return Q(emission=emission)
    # the payload is JSON text: in a string of it, a quote or a backslash has a backslash before it
    in_string = json.dumps(word, ensure_ascii=False)[1:-1]
    attempts = Attempt.objects.using(rows.db)
    # not a join and not EXISTS: the attempts are read once, not once per delivery
    with_attempt = attempts.filter(
        found_in_text(attempts, "message", word) | Q(error_class__icontains=word) | Q(owner__icontains=word)
    )
    found = (
        Q(receiver__icontains=word)
        | Q(sender__icontains=word)
        | Q(owner__icontains=word)
        | found_in_payload(rows, "payload", {word, in_string})
        | Q(pk__in=with_attempt.values("delivery_id"))
    )
    number = row_number(word)
    return found if number is None else found | Q(pk=number)


def _attempt_has(word: str, rows: QuerySet[Attempt]) -> Q:
    if word.startswith("#") and (number := row_number(word[1:])) is not None:
        return Q(delivery_id=number)
    return (
        Q(error_class__icontains=word)
        | found_in_text(rows, "message", word)
        | Q(owner__icontains=word)
        | Q(delivery__receiver__icontains=word)
    )


def _uuid(word: str) -> UUID | None:
    if len(word) not in (32, 36):
        return None
    try:
        return UUID(word)
    except ValueError:
        return None
