"""Which deliveries people look for: by words, by object, by argument, by their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django.apps import apps
from django.db.models import BigIntegerField, F, Model, Q, QuerySet
from django.utils import timezone
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app import ledger
from signals_app.exceptions import OperationRefused, PayloadError
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.payloads import encode_arguments
from signals_app.redaction import MASKED, masked, masked_text

DELIVERY_HELP = _(
    "#42 or an emission, a part of a receiver, signal, error class, user or host, a whole sender, "
    "an object (shop.Order 62), an argument (name=value)."
)
ATTEMPT_HELP = _(
    "#42 finds the attempts of delivery 42; the rest as for deliveries: a part of an error class, receiver, signal, "
    "user or host, an object (shop.Order 62), an argument (name=value)."
)

MOST_WORDS = 8
LONGEST_WORD = 255  # characters, as a receiver's key may have
FOUND = 500  # deliveries that hold an object or a value, the newest
READ = 2_000_000  # characters of payloads that are read to find them

_LARGEST_ID = 2**63 - 1
_BATCH = 200
_OBJECT = re.compile(r"(?P<label>\w+\.\w+)(?::(?P<key>.+)|\((?P<copied>.+)\))", re.S)
_READERS: tuple[Callable[[str], object], ...] = (
    *(str, json.loads, Decimal, UUID),
    *(date.fromisoformat, datetime.fromisoformat, time.fromisoformat),
)


def find_deliveries(rows: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
    """Return the deliveries that match every word of a search. Raises OperationRefused for one that is too long."""
    held = []
    for term in _terms(text):
        if isinstance(term, str):
            rows = rows.filter(_is_called(term, rows.db))
        else:
            held.append(term)
    return rows.filter(pk__in=_holding(rows, held)) if held else rows


def find_attempts(rows: QuerySet[Attempt], text: str) -> QuerySet[Attempt]:
    """Return the attempts that match every word of a search. Raises OperationRefused for one that is too long."""
    held = []
    for term in _terms(text):
        if isinstance(term, str):
            rows = rows.filter(_is_of(term))
        else:
            held.append(term)
    return rows.filter(delivery__in=_holding(Delivery.objects.using(rows.db), held)) if held else rows


def asks_of_payloads(text: str) -> bool:
    """Tell whether a search is, in part, for what was sent. Raises OperationRefused for one that is too long."""
    return not all(isinstance(term, str) for term in _terms(text))


def words(text: str) -> list[str]:
    """Split a search into words; what stands in quotes is one."""
    return [word for word in map(_unquoted, smart_split(text)) if word]


def row_number(word: str) -> int | None:
    """Read the number of a row; None for what none can have."""
    if not (word.isascii() and word.isdecimal() and len(word) < 20):
        return None
    number = int(word)
    return number if number <= _LARGEST_ID else None


class _Held(Protocol):
    """What a payload may hold."""

    def may_hold(self) -> Q:
        """Return the condition on the text that every payload meets which holds it."""

    def is_in(self, payload: Any) -> bool:
        """Tell whether a payload that is masked holds it."""


def _terms(text: str) -> Iterator[str | _Held]:
    """Yield what is looked for: words as they are, and what they say of a payload."""
    given = words(text) if len(text) <= MOST_WORDS * (LONGEST_WORD + 3) else [text]
    if len(given) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in given):
        said = gettext("A search takes up to %(words)d words of up to %(letters)d characters. Look for less.")
        raise OperationRefused(said % {"words": MOST_WORDS, "letters": LONGEST_WORD})
    rest = iter(given)
    for word in rest:
        name, equals, value = word.partition("=")
        if found := _OBJECT.fullmatch(word):
            yield _Object.of(found["label"], found["key"] or found["copied"])
        elif name and equals:
            yield _Argument(name=name, values=_written(_unquoted(value)))
        elif _model(word) and (key := next(rest, None)):
            yield _Object.of(word, key)
        else:
            yield word


def _unquoted(word: str) -> str:
    is_quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
    return unescape_string_literal(word) if is_quoted else word


def _is_called(word: str, database: str) -> Q:
    if number_or_emission := _is_numbered(word, ""):
        return number_or_emission
    attempts = Attempt.objects.using(database).filter(Q(error_class__icontains=word) | Q(owner__icontains=word))
    found = Q(receiver__icontains=word) | Q(signal__icontains=word) | Q(sent_by__icontains=word)
    # not a join and not EXISTS: the attempts are read once, not once per delivery
    found |= Q(owner__icontains=word) | Q(pk__in=attempts.values("delivery_id"))
    if MASKED not in word and masked_text(word) == word:  # whole, for a part could be of a secret
        found |= Q(sender=word) | Q(sent_from=word)
    return found


def _is_of(word: str) -> Q:
    return _is_numbered(word, "delivery__") or (
        Q(error_class__icontains=word)
        | Q(owner__icontains=word)
        | Q(delivery__receiver__icontains=word)
        | Q(delivery__signal__icontains=word)
        | Q(delivery__sent_by__icontains=word)
    )


def _is_numbered(word: str, prefix: str) -> Q | None:
    if (number := row_number(word.removeprefix("#"))) is not None:
        return Q(**{f"{prefix}pk": number})
    emission = _uuid(word)
    return Q(**{f"{prefix}emission": emission}) if emission else None


def _uuid(word: str) -> UUID | None:
    if len(word) not in (32, 36):
        return None
    try:
        return UUID(word)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Argument:
    """An argument of a value, one of these in JSON."""

    name: str
    values: tuple[str, ...]

    def may_hold(self) -> Q:
        return _has_any([f"{_json(self.name)}:{value}" for value in self.values])

    def is_in(self, payload: Any) -> bool:
        arguments = payload["arguments"]
        return self.name in arguments and _json(arguments[self.name]) in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """A model instance of a primary key, one of these in JSON, that travels by reference or as a snapshot."""

    label: str
    field: str  # that has the key in a snapshot; empty where the model is not here
    keys: tuple[str, ...]

    @classmethod
    def of(cls, label: str, key: str) -> _Object:
        meta = model._meta if (model := _model(label)) else None
        field = meta.pk.attname if meta else ""
        return cls(label=meta.label if meta else label, field=field, keys=_written(_unquoted(key)))

    def may_hold(self) -> Q:
        label = _json(self.label)
        found = _has_any([f'"$instance":[{label},{key}' for key in self.keys])
        by_value = Q(payload__contains=f'"$snapshot":{{"model":{label},')
        return found | by_value & _has_any([f"{_json(self.field)}:{key}" for key in self.keys])

    def is_in(self, payload: Any) -> bool:
        return any(label == self.label and _json(key) in self.keys for label, key in self._objects(payload))

    def _objects(self, value: Any) -> Iterator[tuple[Any, Any]]:
        items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
        for item in items:
            yield from self._objects(item)
        if isinstance(value, dict) and isinstance(held := value.get("$instance"), list) and len(held) == 3:
            yield held[0], held[1]
        if isinstance(value, dict) and isinstance(held := value.get("$snapshot"), dict):
            fields = held.get("fields")
            if isinstance(fields, dict) and self.field in fields:
                yield held.get("model"), fields[self.field]


def _holding(rows: QuerySet[Delivery], held: list[_Held]) -> list[int]:
    """Return the newest deliveries whose payloads, masked, hold all of these."""
    found: list[int] = []
    left, last = READ, _LARGEST_ID
    for one in held:
        rows = rows.filter(one.may_hold())
    newest = rows.order_by("-pk").values_list("pk", "payload")
    while left > 0 and len(found) < FOUND:
        batch = list(newest.filter(pk__lte=last)[:_BATCH])
        for pk, payload in batch:
            left -= len(payload)
            last = pk - 1
            with suppress(ValueError, TypeError, KeyError, RecursionError):  # of a forged payload
                shown = masked(json.loads(payload))
                found += [pk] if all(one.is_in(shown) for one in held) else []
        if len(batch) < _BATCH:
            break
    return found[:FOUND]


def _has_any(fragments: list[str]) -> Q:
    found = Q(pk__in=())
    for fragment in fragments:
        # a number goes on until something else comes
        ends = ("",) if fragment[-1] in '"]}' else (",", "}")
        for end in ends:
            found |= Q(payload__contains=fragment + end)
    return found


def _written(value: str) -> tuple[str, ...]:
    """Return the JSON of all that a value may mean, such as a number and a text; what is masked means nothing."""
    found: dict[str, None] = {}
    for read in _READERS:
        with suppress(ValueError, ArithmeticError, RecursionError, PayloadError):
            text = encode_arguments({"": read(value)}, sender=None, signal="", receiver="")
            found[_json(json.loads(text)["arguments"][""])] = None
    return tuple(one for one in found if MASKED not in one)


def _model(label: str) -> type[Model] | None:
    with suppress(LookupError, ValueError):
        return apps.get_model(label)
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def possible(ids: Iterable[int]) -> list[int]:
    """Return those numbers that a delivery can have; SQLite cannot even be asked for a larger one."""
    return [one for one in ids if 0 < one <= BigIntegerField.MAX_BIGINT]


def last_ended_with(error_class: str) -> Q:
    """Return the condition that a delivery's last attempt ended with that error; one that runs has not ended."""
    last = Attempt.objects.filter(error_class=error_class, number=F("delivery__attempts"))
    # not a join: what a rescue and a late report both wrote down is there once
    return Q(pk__in=last.exclude(outcome=Outcome.STALE).values("delivery_id"))


def running_long() -> Q:
    """Return the condition that a delivery has been running for over a minute."""
    return Q(state=State.RUNNING, started_at__lt=timezone.now() - timedelta(seconds=ledger.LONG))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries to which everything that is given applies; nothing given means all of them.

    ``error_class`` is that of the last attempt; ``attempts`` is how many were made at least; ``since`` and
    ``until`` bound the hand-off, ``until`` itself left out; ``ended`` is when they ended at the earliest; ``long`` are
    those that have been running for long; ``search`` finds what the admin's search finds.
    """

    states: tuple[State, ...] = ()
    receiver: str = ""
    signal: str = ""
    queue: str = ""
    error_class: str = ""
    attempts: int = 0
    since: datetime | None = None
    until: datetime | None = None
    ended: datetime | None = None
    search: str = ""
    unroutable: bool = False
    long: bool = False
    ids: tuple[int, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing was given."""
        return not any(getattr(self, field.name) for field in fields(self))

    def rows(self) -> QuerySet[Delivery]:
        """Return the deliveries, in no order."""
        rows = Delivery.objects.using(ledger.connection().alias).filter(*self._conditions())
        return find_deliveries(rows, self.search) if self.search else rows

    def _conditions(self) -> Iterator[Q]:
        lookups = {
            "pk__in": possible(self.ids) if self.ids else None,
            "state__in": self.states or None,
            "receiver": self.receiver or None,
            "signal": self.signal or None,
            "queue": self.queue or None,
            "attempts__gte": self.attempts or None,
            "enqueued_at__gte": self.since,
            "enqueued_at__lt": self.until,
            "finished_at__gte": self.ended,
        }
        yield Q(**{lookup: value for lookup, value in lookups.items() if value is not None})
        if self.long:
            yield running_long()
        if self.unroutable:
            yield Q(state=State.READY, unroutable=True)
        if self.error_class:
            yield last_ended_with(self.error_class)

    def newest(self) -> QuerySet[Delivery]:
        """Return the deliveries, newest first.

        Told to order by the key itself, SQLite walks the whole table along it to find the few that wait or run.
        """
        of_states = self.states and {*self.states} <= {State.READY, State.RUNNING}
        few = self.unroutable or self.long or self.ended or of_states
        return self.rows().order_by((F("pk") + 0).desc() if few else "-pk")
