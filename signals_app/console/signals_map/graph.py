"""Signals, their receivers, how these are connected, and the record's counts of it: one table of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MethodType
from typing import Any
from weakref import ReferenceType

from django.apps import apps
from django.db.models import Count, Model, QuerySet, Sum, TextChoices
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app import backoff, ledger
from signals_app.console.signals_map.callables import Form, Place, callee, gone, is_a, place_of_signal
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.schedules import schedules, send_tick
from signals_app.models import FINAL_STATES, Delivery, PauseKind, State
from signals_app.monitoring import health
from signals_app.payloads.names import label, members, named_signals, signal_name
from signals_app.redaction.logs import one_line

DAY = timedelta(days=1)
COUNTED = 50_000  # ended deliveries of each state that are counted, the newest; a million takes seconds on SQLite


class Kind(TextChoices):
    PLAIN = "plain", _("plain")  # within send()
    ASYNC = "async", _("async")  # within send(), awaited
    QUEUED = "queued", _("queued")  # in a worker


class Mark(TextChoices):
    FAILING_NOW = "failing-now", _("failing now")  # a queued receiver that fails, as ``deliveries check`` says
    FAILING = "failing", _("failures")  # a queued receiver, of whose deliveries some failed within the day
    PAUSED = "paused", _("paused")  # a queued receiver that is paused itself, or whose queue is
    UNHEARD = "unheard", _("nobody listens")  # a signal of the project without a living receiver
    UNSENT = "unsent", _("nobody sends")  # a queued receiver without a delivery within the day, nor a schedule
    DEAD = "dead", _("dead reference")  # a connection whose receiver or sender is gone
    UNEXPLAINED = "unexplained", _("only in the record")  # deliveries of what is not connected in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Deliveries by state. ``runs`` are the attempts, good and bad, of those that ended."""

    waiting: int = 0
    running: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    merged: int = 0
    runs: int = 0

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Counts()
_FIELD_OF = {state: "waiting" if state == State.READY else state.value.lower() for state in State}

Value = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A receiver, how it is connected, if it is, and what the record knows of it.

    ``signal`` is "" where there is none, or it has no name; ``receiver`` is the key of a queued receiver, else its
    dotted name, and "" where it is gone without a trace. ``sender`` is "" for any and "?" for an object that Django no
    longer knows, or that no loaded module holds. The value of an option is the name of a function where it is one, and
    seconds where it is a time; ``given`` are those that are not the project's defaults.

    ``counts`` is None for receivers that work within send(), which leave no record. Deliveries do not tell by which of
    several connections of one receiver they came, so these have the same counts.
    """

    signal: str
    receiver: str
    kind: Kind
    form: Form
    place: Place | None
    sender: str = ""
    dispatch_uid: str = ""
    is_weak: bool = False
    is_dead: bool = False  # its weak reference, or that of its sender, points to nothing
    options: Mapping[str, Value]
    given: tuple[str, ...]
    counts: Counts | None = None
    marks: tuple[Mark, ...] = ()

    def texts(self, *, given: bool) -> list[str]:
        """Return the options that were given, or those that were not, as ``name=value``."""
        found = []
        for name, value in self.options.items():
            if (name in self.given) == given:
                words = ", ".join(value) or "()" if isinstance(value, tuple) else value
                found.append(f"{name}={words:g}" if isinstance(words, float) else f"{name}={words}")
        return found

    def how(self) -> Iterator[str]:
        """Yield how it is connected, where that is unusual."""
        if self.form not in (Form.FUNCTION, Form.GONE):
            yield str(self.form.label)
        if self.sender == "?":
            yield gettext("one sender, which cannot be named")
        elif self.sender:
            yield gettext("sender %(name)s") % {"name": one_line(self.sender)}
        if self.dispatch_uid:
            yield gettext("dispatch_uid %(uid)s") % {"uid": one_line(self.dispatch_uid)}
        if self.is_dead:
            yield gettext("weak, and gone")
        elif not self.is_weak:
            yield gettext("strong")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRows:
    """A signal and its receivers, in the order in which they are called.

    ``schedules`` say when the clock sends it. ``name`` is the key of its schedule where it has no name of its own.
    ``is_foreign`` where signal and receivers are all of libraries, Django included, and none is queued.
    """

    name: str
    place: Place | None
    is_foreign: bool
    marks: tuple[Mark, ...]
    schedules: tuple[str, ...]
    receivers: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsMap:
    """The map at one moment. ``since`` says from when ended deliveries are counted."""

    at: datetime
    since: datetime
    is_whole_day: bool
    signals: tuple[SignalRows, ...]
    unconnected: tuple[Row, ...]  # queued receivers of this process that no signal calls, and no delivery names
    unexplained: tuple[Row, ...]  # deliveries of a signal and a receiver that are not connected in this process

    def marked(self, mark: Mark) -> SignalsMap:
        def bearing(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(row for row in rows if mark in row.marks)

        signals = (replace(signal, receivers=bearing(signal.receivers)) for signal in self.signals)
        return replace(
            self,
            signals=tuple(signal for signal in signals if signal.receivers or mark in signal.marks),
            unconnected=bearing(self.unconnected),
            unexplained=bearing(self.unexplained),
        )

    def count(self, mark: Mark) -> int:
        rows = [row for signal in self.signals for row in signal.receivers]
        of_rows = sum(mark in row.marks for row in (*rows, *self.unconnected, *self.unexplained))
        return of_rows + sum(mark in signal.marks for signal in self.signals)


def signals_map() -> SignalsMap:
    """Read this process and the record: seven queries."""
    now = timezone.now()
    since, counted = tally(now - DAY)
    paused = {(one.kind, one.name) for one in ledger.pauses()}
    failing = health.failing(ledger.recent_attempts())

    def recorded(row: Row, *more: Mark, is_scheduled: bool = False) -> Row:
        marks = []
        counts = counted.get((row.signal, row.receiver), _NONE) if row.kind == Kind.QUEUED else None
        if counts is not None:
            marks += [Mark.FAILING_NOW] if row.receiver in failing else []
            marks += [Mark.FAILING] if counts.failed else []
            names = {(PauseKind.RECEIVER.value, row.receiver), (PauseKind.QUEUE.value, str(row.options.get("queue")))}
            marks += [Mark.PAUSED] if paused & names else []
            marks += [] if counts or is_scheduled else [Mark.UNSENT]
        # libraries, Django included, leave dead references behind, and nobody here can mend that
        marks += [Mark.DEAD] if row.is_dead and not _is_library(row.place) else []
        return replace(row, counts=counts, marks=(*marks, *more))

    named = {name: signal for signal, name in named_signals()}
    clocks: dict[Signal, tuple[str, ...]] = {}
    for key, one in schedules().items():
        named.setdefault(signal_name(one.signal) or key, one.signal)
        clocks[one.signal] = (*clocks.get(one.signal, ()), one.text)
    signals = []
    for name, rows in connections(dict(sorted(named.items()))):
        texts = clocks.get(named[name], ())
        signals.append(_signal_rows(name, texts, tuple(recorded(row, is_scheduled=bool(texts)) for row in rows)))
    queued = {(row.signal, row.receiver) for one in signals for row in one.receivers if row.counts is not None}
    heard_of = {receiver for _signal_name, receiver in (*queued, *counted)}
    ours = {ledger.CALLBACK, send_tick.key}  # these send in turn, and nobody connects them
    heard_of |= ours
    unexplained = sorted(edge for edge in counted if edge not in queued and edge[1] not in ours)
    return SignalsMap(
        at=now,
        since=since,
        is_whole_day=since == now - DAY,
        signals=tuple(signals),
        unconnected=tuple(recorded(_loose("", one.key)) for one in registry.all() if one.key not in heard_of),
        unexplained=tuple(recorded(_loose(*edge), Mark.UNEXPLAINED) for edge in unexplained),
    )


def _signal_rows(name: str, texts: tuple[str, ...], rows: tuple[Row, ...]) -> SignalRows:
    place = place_of_signal(name)
    is_library = _is_library(place)
    is_foreign = is_library and all(_is_library(row.place) and row.counts is None for row in rows)
    marks = () if is_library or not all(row.is_dead for row in rows) else (Mark.UNHEARD,)
    return SignalRows(name=name, place=place, is_foreign=is_foreign, marks=marks, schedules=texts, receivers=rows)


def _is_library(place: Place | None) -> bool:
    return place is not None and place.is_library


def _loose(signal: str, key: str) -> Row:
    """Return a queued receiver without a connection: place and options are of this process, if it knows it."""
    known = registry.get(key)
    found = callee(known) if known else gone(None)
    options = _options_of(found.queued)
    return Row(signal=signal, receiver=key, kind=Kind.QUEUED, form=found.form, place=found.place, **options)


Tally = dict[tuple[str, str], Counts]  # by signal name and receiver key


def tally(day_ago: datetime) -> tuple[datetime, Tally]:
    """Count in five queries, whatever there is; from a day ago, or from later where that would be too many."""
    rows = Delivery.objects.using(ledger.connection().alias)
    since = day_ago
    for final in FINAL_STATES:  # when the last one ended that is one too many
        newest = rows.filter(state=final, finished_at__gte=day_ago).order_by("-finished_at")
        cut = newest.values_list("finished_at", flat=True)[COUNTED : COUNTED + 1].first()
        since = max(since, cut or since)
    counted: Tally = {}
    for signal, receiver, state, count, runs in _grouped(rows, since):
        counts = counted.get((signal, receiver), _NONE)
        ended = runs if state in FINAL_STATES else 0
        counted[signal, receiver] = replace(counts, runs=counts.runs + ended, **{_FIELD_OF[State(state)]: count})
    return since, counted


def _grouped(rows: QuerySet[Delivery], since: datetime) -> QuerySet[Delivery, tuple[str, str, str, int, int]]:
    """Return signal, receiver, state, count and attempts, state by state: OR or IN would read the whole table."""
    of_state = [rows.filter(state=state, finished_at__gte=since) for state in FINAL_STATES]
    of_state += [rows.filter(state=state) for state in (State.READY, State.RUNNING)]
    first, *others = (
        some.order_by().values_list("signal", "receiver", "state").annotate(count=Count("pk"), runs=Sum("attempts"))
        for some in of_state
    )
    return first.union(*others, all=True)


_ANY_SENDER = id(None)


def connections(signals: Mapping[str, Signal]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the name of each signal and its connections, in the order in which they are called."""
    # ((dispatch_uid or identity, id of the sender), receiver, is_async); before is_async, since 6.0, the sender
    held: dict[str, list[Any]] = {name: list(signal.receivers) for name, signal in signals.items()}
    ids = {entry[0][1] for entries in held.values() for entry in entries if _sender(entry) is None}
    senders = _names_of(ids - {_ANY_SENDER})
    for name, entries in held.items():
        yield name, [_connection(signal_name(signals[name]), entry, senders) for entry in entries]


def _sender(entry: Any) -> Any:
    """Return the weak reference to a sender; None where any sender will do, and where Django 5.2 keeps the id only."""
    return entry[2] if len(entry) > 3 else None


def _connection(signal: str, entry: Any, senders: Mapping[int, str]) -> Row:
    uid, sender_id = entry[0]
    reference, sent_by = entry[1], _sender(entry)
    is_weak = is_a(reference, ReferenceType)
    receiver = reference() if is_weak else reference
    is_gone = is_weak and receiver is None
    found = gone(reference) if is_gone else callee(receiver)
    sender = sent_by() if sent_by is not None else None
    named = senders.get(sender_id, "?") if sender is None else _name(sender)
    return Row(
        signal=signal,
        receiver=found.name,
        kind=Kind.QUEUED if found.queued else Kind.ASYNC if entry[-1] else Kind.PLAIN,
        form=found.form,
        place=found.place,
        sender="" if sender_id == _ANY_SENDER else named,
        dispatch_uid=_uid(uid, None if is_gone else receiver),
        is_weak=is_weak,
        is_dead=is_gone or (sent_by is not None and sender is None),
        **_options_of(found.queued),
    )


def _uid(uid: object, receiver: object) -> str:
    """Return a ``dispatch_uid``; "" where the key in ``Signal.receivers`` is, or may have been, an identity."""
    if receiver is None:
        is_identity = all(isinstance(part, int) for part in (uid if isinstance(uid, tuple) else (uid,)))
    elif is_a(receiver, MethodType):
        is_identity = uid == (id(receiver.__self__), id(receiver.__func__))
    else:
        is_identity = uid == id(receiver)
    if is_identity:
        return ""
    return str(uid) if isinstance(uid, str | int) else type(uid).__qualname__


def _names_of(ids: set[int]) -> dict[int, str]:
    """Return names of the objects with these ids that loaded modules hold; Django 5.2 keeps no more of a sender."""
    if not ids:
        return {}
    found = {id(config): _name(config) for config in apps.get_app_configs() if id(config) in ids}
    return found | {id(value): _name(value) for _module, _attribute, value in members() if id(value) in ids}


def _name(sender: object) -> str:
    return label(sender) if issubclass(type(sender), type | str | Model) else label(type(sender))


def _options_of(receiver: QueuedReceiver | None) -> dict[str, Any]:
    """Return the options of a row with the values that they have now, those that were given first."""
    if receiver is None:
        return {"options": {}, "given": ()}
    options = receiver.options
    names = [setting.name for setting in options.known().values()]
    given = tuple(name for name in names if name in options.own)
    ordered = (*given, *(name for name in names if name not in given))
    return {"options": {name: _value(getattr(options, name)) for name in ordered}, "given": given}


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Collection):
        return tuple(sorted(map(str, value)))
    # a backoff of ours says what it is made of; whatever else is a function is known by its name
    return repr(value) if type(value).__module__ == backoff.__name__ else callee(value).name
