"""Which deliveries people look for: by words, by object, by argument, by their columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db.models import Count, F, Model, Q, QuerySet, Sum, TextChoices
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app import ledger
from signals_app.exceptions import OperationRefused, PayloadError
from signals_app.models import FINAL_STATES, Attempt, Batch, Delivery, Outcome, Pause, PauseKind, State
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

BATCH_HELP = _("#7, a part of a description, signal or user.")

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


# of a payload: the condition that its text meets if it holds what is looked for, and whether, masked, it does
_Held = tuple[Q, Callable[[Any], bool]]


def find_deliveries(rows: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
    """Return the deliveries that match every word of a search. Raises OperationRefused for one that is too long."""
    names, held = _terms(text)
    rows = rows.filter(*(_is_called(word, rows.db) for word in names))
    return rows.filter(pk__in=_holding(rows, held)) if held else rows


def find_attempts(rows: QuerySet[Attempt], text: str) -> QuerySet[Attempt]:
    """Return the attempts that match every word of a search. Raises OperationRefused for one that is too long."""
    names, held = _terms(text)
    rows = rows.filter(*map(_is_of, names))
    return rows.filter(delivery__in=_holding(Delivery.objects.using(rows.db), held)) if held else rows


def asks_of_payloads(text: str) -> bool:
    """Tell whether a search is, in part, for what was sent. Raises OperationRefused for one that is too long."""
    return bool(_terms(text)[1])


def words(text: str) -> list[str]:
    """Split a search into words; what stands in quotes is one."""
    return [word for word in map(_unquoted, smart_split(text)) if word]


def row_number(word: str) -> int | None:
    """Read the number of a row; None for what none can have."""
    if not (word.isascii() and word.isdecimal() and len(word) < 20):
        return None
    number = int(word)
    return number if number <= _LARGEST_ID else None


def moment(text: str) -> datetime | None:
    """Read a date and perhaps a time, in the current time zone unless it names one; None for what is none."""
    with suppress(ValueError, OverflowError):
        if read := parse_datetime(text):
            aware = timezone.make_aware(read) if timezone.is_naive(read) else read
            utc = aware.astimezone(UTC)  # fails for what no database could look for, and below for what no page shows
            timezone.localtime(utc)
            return utc if settings.USE_TZ else timezone.make_naive(utc)
    return None


def possible(ids: Iterable[int]) -> list[int]:
    """Return those numbers that a delivery can have; SQLite cannot even be asked for a larger one."""
    return [one for one in ids if 0 < one <= _LARGEST_ID]


def _terms(text: str) -> tuple[list[str], list[_Held]]:
    given = words(text) if len(text) <= MOST_WORDS * (LONGEST_WORD + 3) else [text]
    if len(given) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in given):
        said = gettext("A search takes up to %(words)d words of up to %(letters)d characters. Look for less.")
        raise OperationRefused(said % {"words": MOST_WORDS, "letters": LONGEST_WORD})
    names: list[str] = []
    held: list[_Held] = []
    rest = iter(given)
    for word in rest:
        name, equals, value = word.partition("=")
        if found := _OBJECT.fullmatch(word):
            held.append(_object(found["label"], found["key"] or found["copied"]))
        elif name and equals:
            held.append(_argument(name, value))
        elif model_of(word) and (key := next(rest, None)):
            held.append(_object(word, key))
        else:
            names.append(word)
    return names, held


def _unquoted(word: str) -> str:
    is_quoted = len(word) > 1 and word[0] in "\"'" and word[0] == word[-1]
    return unescape_string_literal(word) if is_quoted else word


def _is_called(word: str, database: str) -> Q:
    if number_or_emission := _is_numbered(word, ""):
        return number_or_emission
    attempts = Attempt.objects.using(database).filter(_contain(word, "error_class", "owner"))
    # not a join and not EXISTS: the attempts are read once, not once per delivery
    found = _contain(word, "receiver", "signal", "sent_by", "owner") | Q(pk__in=attempts.values("delivery_id"))
    if MASKED not in word and masked_text(word) == word:  # whole, for a part could be of a secret
        found |= Q(sender=word) | Q(sent_from=word)
    return found


def _is_of(word: str) -> Q:
    names = ("error_class", "owner", "delivery__receiver", "delivery__signal", "delivery__sent_by")
    return _is_numbered(word, "delivery__") or _contain(word, *names)


def _contain(word: str, *columns: str) -> Q:
    return Q(*((f"{column}__icontains", word) for column in columns), _connector=Q.OR)


def _is_numbered(word: str, prefix: str) -> Q | None:
    if (number := row_number(word.removeprefix("#"))) is not None:
        return Q(**{f"{prefix}pk": number})
    if len(word) in (32, 36):
        with suppress(ValueError):
            return Q(**{f"{prefix}emission": UUID(word)})
    return None


def _argument(name: str, value: str) -> _Held:
    values = _written(_unquoted(value))

    def is_in(payload: Any) -> bool:
        arguments = payload["arguments"]
        return name in arguments and _json(arguments[name]) in values

    return _has_any(f"{_json(name)}:{value}" for value in values), is_in


def _object(label: str, key: str) -> _Held:
    """Look for a model instance, which travels by reference or as a snapshot; its model may be gone since."""
    meta = model._meta if (model := model_of(label)) else None
    label, field = (meta.label, meta.pk.attname) if meta else (label, "")
    keys = _written(_unquoted(key))
    by_reference = _has_any(f'"$instance":[{_json(label)},{key}' for key in keys)
    by_value = Q(payload__contains=f'"$snapshot":{{"model":{_json(label)},')
    by_value &= _has_any(f"{_json(field)}:{key}" for key in keys)

    def is_in(value: Any) -> bool:
        held, key = instance_in(value)
        return (held == label and _json(key) in keys) or any(map(is_in, parts_of(value)))

    return by_reference | by_value, is_in


def instance_in(value: Any) -> tuple[str, Any]:
    """Return the label and the key of the model instance that a value of a payload stands for; "" where it is none."""
    match value:
        case {"$instance": [str(label), key, _]}:
            return label, key
        case {"$snapshot": {"model": str(label), "fields": {**fields}}} if model := model_of(label):
            return label, fields.get(model._meta.pk.attname)
    return "", None


def parts_of(value: Any) -> Iterable[Any]:
    """Return the values that a value of a payload holds."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _holding(rows: QuerySet[Delivery], held: list[_Held]) -> list[int]:
    """Return the newest deliveries whose payloads, masked, hold all of these."""
    found: list[int] = []
    left, last = READ, _LARGEST_ID
    newest = rows.filter(*(may_hold for may_hold, _is_in in held)).order_by("-pk").values_list("pk", "payload")
    while left > 0 and len(found) < FOUND:
        batch = list(newest.filter(pk__lte=last)[:_BATCH])
        for pk, payload in batch:
            left -= len(payload)
            last = pk - 1
            with suppress(ValueError, TypeError, KeyError, RecursionError):  # of a forged payload
                shown = masked(json.loads(payload))
                found += [pk] if all(is_in(shown) for _may_hold, is_in in held) else []
        if len(batch) < _BATCH:
            break
    return found[:FOUND]


def _has_any(fragments: Iterable[str]) -> Q:
    found = Q(pk__in=())
    for fragment in fragments:
        # a number goes on until something else comes
        for end in ("",) if fragment[-1] in '"]}' else (",", "}"):
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


def model_of(label: str) -> type[Model] | None:
    with suppress(LookupError, ValueError):
        return apps.get_model(label)
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Told to order by the key itself, SQLite walks the whole table along it to find the few that wait, run or failed.
NEWEST_OF_FEW = (F("pk") + 0).desc()


def in_state(state: str) -> Q:
    # what is final has ended; said, so that the index of what has ended is used
    return Q(state=state, finished_at__isnull=False) if state in FINAL_STATES else Q(state=state)


def is_unroutable() -> Q:
    return Q(state=State.READY, unroutable=True)


def blocks_a_lane() -> Q:
    return Q(state=State.FAILED, blocks_lane=True)


def ahead_of(delivery: Delivery) -> Delivery | None:
    """Return what a delivery that is behind in its lane waits for: what runs, or else the first."""
    lane = Delivery.objects.using(delivery._state.db).filter(lane=delivery.lane).exclude(pk=delivery.pk)
    first = lane.filter(Q(state__in=(State.READY, State.RUNNING)) | blocks_a_lane(), pk__lt=delivery.pk)
    running = lane.filter(state=State.RUNNING, slot__isnull=False).order_by("pk").first()
    return running or first.order_by("pk").first()


def pauses_of(delivery: Delivery, pauses: Iterable[Pause]) -> list[Pause]:
    """Return those pauses that are of its receiver or its queue."""
    names = {(PauseKind.RECEIVER.value, delivery.receiver), (PauseKind.QUEUE.value, delivery.queue)}
    return [one for one in pauses if (one.kind, one.name) in names]


class Waiting(TextChoices):
    """Why a delivery that is READY has not begun: each for one reason, which ``QueueStats`` counts by its value."""

    DUE = "due", _("due")
    SCHEDULED = "scheduled", _("scheduled")
    RETRYING = "retrying", _("retrying")
    PAUSED = "paused", _("paused")
    BEHIND = "behind", _("behind")
    UNROUTABLE = "unroutable", _("unroutable")

    @classmethod
    def of(cls, delivery: Delivery, pauses: Iterable[Pause], now: datetime) -> Waiting | None:
        """Return why a delivery waits; None for one that does not."""
        if delivery.state != State.READY:
            return None
        if pauses_of(delivery, pauses) or (delivery.parked and not delivery.behind):
            return cls.PAUSED
        if delivery.behind:
            return cls.BEHIND
        if delivery.unroutable:
            return cls.UNROUTABLE
        if delivery.attempts > 0:
            return cls.RETRYING
        return cls.SCHEDULED if delivery.due_at > now else cls.DUE


def waits_as(reason: str) -> Q:
    """Return the same as a condition."""
    kinds = (PauseKind.QUEUE, PauseKind.RECEIVER)
    queues, receivers = (Pause.objects.filter(kind=kind).values("name") for kind in kinds)
    is_paused = Q(parked=True, behind=False) | Q(queue__in=queues) | Q(receiver__in=receivers)
    if reason == Waiting.PAUSED:
        return Q(state=State.READY) & is_paused
    if reason == Waiting.BEHIND:
        return Q(state=State.READY, behind=True, lane__gt="") & ~is_paused  # which SQLite's index is chosen by
    if reason == Waiting.UNROUTABLE:
        return is_unroutable() & Q(behind=False) & ~is_paused
    others = Q(state=State.READY, unroutable=False, behind=False) & ~is_paused
    if reason == Waiting.RETRYING:
        return others & Q(attempts__gt=0)
    now = timezone.now()
    return others & Q(attempts__lte=0) & (Q(due_at__gt=now) if reason == Waiting.SCHEDULED else Q(due_at__lte=now))


def last_ended_with(error_class: str) -> Q:
    """Return the condition that a delivery's last attempt ended with that error; one that runs has not ended."""
    last = Attempt.objects.filter(error_class=error_class, number=F("delivery__attempts"))
    # not a join: what recovery and a late report both wrote down is there once
    return Q(pk__in=last.exclude(outcome=Outcome.STALE).values("delivery_id"))


def last_errors(rows: Iterable[Delivery], database: str) -> dict[int, str]:
    """Return the error class of each delivery's last attempt that has ended, where that failed: one query."""
    is_last = Q(number=F("delivery__attempts")) | Q(delivery__state=State.RUNNING, number=F("delivery__attempts") - 1)
    ends = Attempt.objects.using(database).filter(is_last, delivery__in=[one.pk for one in rows])
    return dict(ends.exclude(outcome=Outcome.STALE).order_by("pk").values_list("delivery_id", "error_class"))


def running_long() -> Q:
    return Q(state=State.RUNNING, started_at__lt=timezone.now() - timedelta(seconds=ledger.LONG))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Deliveries to which everything that is given applies; nothing given means all of them.

    ``error_class`` is that of the last attempt; ``attempts`` is how many were made at least; ``since`` and ``until``
    bound when they were enqueued, ``until`` itself left out; ``ended`` is when they ended at the earliest; ``waiting``
    is why they wait; ``blocking`` are those that failed and block their lanes; ``long`` are those that have been
    running for long; ``search`` finds what the admin's search does.
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
    waiting: str = ""
    unroutable: bool = False
    blocking: bool = False
    long: bool = False
    batch: int = 0
    ids: tuple[int, ...] = ()

    def rows(self) -> QuerySet[Delivery]:
        """Return the deliveries, in no order."""
        conditions = (
            (self.ids, Q(pk__in=possible(self.ids))),
            (self.states, Q(*map(in_state, self.states), _connector=Q.OR)),
            (self.receiver, Q(receiver=self.receiver)),
            (self.signal, Q(signal=self.signal)),
            (self.queue, Q(queue=self.queue)),
            (self.error_class, last_ended_with(self.error_class)),
            (self.attempts, Q(attempts__gte=self.attempts)),
            (self.since, Q(enqueued_at__gte=self.since)),
            (self.until, Q(enqueued_at__lt=self.until)),
            (self.ended, Q(finished_at__gte=self.ended)),
            (self.waiting, waits_as(self.waiting)),
            (self.unroutable, is_unroutable()),
            (self.blocking, blocks_a_lane()),
            (self.long, running_long()),
            (self.batch, Q(batch=self.batch)),
        )
        found = (condition for given, condition in conditions if given)
        rows = Delivery.objects.using(ledger.connection().alias).filter(*found)
        return find_deliveries(rows, self.search) if self.search else rows

    def newest(self) -> QuerySet[Delivery]:
        of_states = self.states and {*self.states} <= {State.READY, State.RUNNING}
        few = self.waiting or self.unroutable or self.blocking or self.long or self.ended or of_states
        return self.rows().order_by(NEWEST_OF_FEW if few else "-pk")


class BatchStanding(TextChoices):
    """How a batch stands; each has the icon of a state of deliveries."""

    OPEN = "open", _("open")
    WAITING = "waiting", _("waiting")
    SETTLED = "settled", _("settled")
    ABANDONED = "abandoned", _("abandoned")

    @property
    def icon(self) -> str:
        return {"open": "ready", "waiting": "running", "settled": "successful"}.get(self.value, "cancelled")

    @classmethod
    def of(cls, batch: Batch) -> BatchStanding:
        if batch.abandoned:
            return cls.ABANDONED
        return cls.SETTLED if batch.settled_at else cls.WAITING if batch.closed_at else cls.OPEN


def batch_stands_as(standing: str) -> Q:
    """Return the condition of a BatchStanding."""
    if standing == BatchStanding.ABANDONED:
        return Q(abandoned=True)
    if standing == BatchStanding.SETTLED:
        return Q(settled_at__isnull=False, abandoned=False)
    return Q(settled_at__isnull=True, closed_at__isnull=standing == BatchStanding.OPEN)


def find_batches(rows: QuerySet[Batch], text: str) -> QuerySet[Batch]:
    """Return the batches that match every word of a search. Raises OperationRefused for one that is too long."""
    for word in _terms(text)[0]:
        number = row_number(word.removeprefix("#"))
        told = Q() if number is None else Q(pk=number)
        rows = rows.filter(told | _contain(word, "description", "signal", "sent_by"))
    return rows


def progress_of(batches: Iterable[Any]) -> None:
    """Give batches the counts of their members by state, how many have ended of how many, and how many lie within.

    Of one that is settled the counts are those of that moment; of another they are of its own members now, and of the
    batches within it that are settled.
    """
    each = {one.pk: one for one in batches}
    for one in each.values():
        one.counts, one.inner = Counter(), 0
        if one.settled_at and not one.abandoned:
            one.counts.update({state: getattr(one, state.lower()) for state in FINAL_STATES})
    alias = ledger.connection().alias
    live = [one for one in each.values() if not one.settled_at or one.abandoned]
    own = Delivery.objects.using(alias).filter(batch__in=[one.pk for one in live]).exclude(receiver=ledger.CALLBACK)
    for batch, state, count in own.order_by().values_list("batch", "state").annotate(Count("pk")):
        each[batch].counts[State(state)] += count
    inner = Batch.objects.using(alias).filter(parent__in=each).order_by().values_list("parent")
    for batch, count, *ended in inner.annotate(Count("pk"), *(Sum(state.lower()) for state in FINAL_STATES)):
        each[batch].inner = count
        if each[batch] in live:
            each[batch].counts.update(dict(zip(FINAL_STATES, ended, strict=True)))
    for one in each.values():
        one.progress_total = one.counts.total()
        one.progress_done = sum(one.counts[state] for state in FINAL_STATES)
