"""Runs a receiver whose worker dies at each point of its way, and tells what doubles, vanishes or changes by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from copy import copy
from itertools import count
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.core import mail
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Model, QuerySet
from django.dispatch import Signal
from django.test import override_settings

from signals_app import events, ledger
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.models import FINAL_STATES, Attempt, Delivery, State
from signals_app.processes.identity import current_process
from signals_app.testing.points import Call, Row, Run, watching

QUEUE = "crash_everywhere"  # its own, so that nothing else is claimed
MOST_ATTEMPTS = 100  # of a delivery, which may ask for as many by Defer
unsent = Signal()  # stands for the one that would call the receiver


def crash_everywhere(
    receiver: QueuedReceiver,
    /,
    *,
    sender: object = None,
    calls: Collection[str] = (),
    idempotent: Callable[[Call], object] = lambda call: None,
    setup: Callable[[], object] = lambda: None,
    most: int = 500,
    **arguments: Any,
) -> int:
    """Run a receiver undisturbed, then with a worker that dies at each point of its way; return the number of deaths.

    Points are before and after each of its statements, commits and outgoing calls. Recovery gives the lost delivery
    back, and another attempt finishes it. ``calls`` names what the receiver calls to reach other services, by the path
    that ``unittest.mock.patch`` takes; e-mails and HTTP are found without. Calls for which ``idempotent`` returns the
    same key count once. ``setup`` runs before each run. What a run writes to databases is undone.

    Raises AssertionError where an effect doubles, vanishes or changes, with its line; where the receiver does not
    succeed undisturbed; and where it passes more than ``most`` points.
    """
    off = {**getattr(settings, "SIGNALS_APP", {}), "IMMEDIATE": False}
    with override_settings(SIGNALS_APP=off), watching(calls):
        sandbox = _Sandbox(receiver, {"sender": sender, **arguments}, setup, idempotent)
        undisturbed, again = sandbox.run(), sandbox.run(die_at=0)
        if undisturbed.state != State.SUCCESSFUL:
            raise AssertionError(f"{receiver.key} ends {undisturbed.state} though nothing dies:\n{undisturbed.error}")
        if unseen := sorted(set(calls) - undisturbed.calls.keys()):
            raise AssertionError(f"{receiver.key} does not call {unseen[0]}; name it where the receiver looks it up.")
        comparison = _Comparison(undisturbed, again if again.state == State.SUCCESSFUL else sandbox.run())
        for deaths in count():
            run = sandbox.run(die_at=deaths)
            if not run.died or (deaths == most and comparison.found):
                break
            if deaths == most:
                raise AssertionError(
                    f"{receiver.key} passes more than {most} points; give it less to do, or raise most."
                )
            comparison.add(run)
    if comparison.found:
        raise AssertionError(comparison.report(receiver, deaths))
    return deaths


class _Sandbox:
    """Runs a receiver again and again, from the same state of all databases that the test may use."""

    def __init__(
        self,
        receiver: QueuedReceiver,
        arguments: dict[str, Any],
        setup: Callable[[], object],
        idempotent: Callable[[Call], object],
    ) -> None:
        self._receiver, self._arguments, self._setup, self._idempotent = receiver, arguments, setup, idempotent
        self._databases = [db for db in connections.all() if _may_be_used(db)]
        self._tables = {name: rows for db in self._databases for name, rows in _tables(db)}
        self._keys: dict[type[Model], set[Any]] = {}  # of the rows that are there before
        self._before: dict[str, list[Any]] = {}
        self._after: dict[str, list[Row]] = {}  # the first run
        self._changed: set[str] = set()  # by a run; the other tables need not be read again

    def run(self, *, die_at: int = -1) -> Run:
        run = Run(die_at=die_at, idempotent=self._idempotent)
        outbox = list(getattr(mail, "outbox", ()))
        try:
            with run.on(self._databases):
                self._setup()
                if not self._before:
                    for name, rows in self._tables.items():
                        self._before[name] = list(rows.all())
                        self._keys.setdefault(rows.model, set()).update(rows.values_list("pk", flat=True))
                self._deliver(run)
        finally:
            if hasattr(mail, "outbox"):
                mail.outbox[:] = outbox
        return run

    def _deliver(self, run: Run) -> None:
        """Hand off, make attempts until the delivery is in a final state, and see what is there then."""
        delivery = self._receiver(signal=unsent, **self._arguments)
        if not isinstance(delivery, Delivery):
            raise AssertionError(f"{self._receiver.key} is not handed off with these arguments: its when says no.")
        alias, receiver = ledger.connection().alias, copy(self._receiver)
        mine = Delivery.objects.using(alias).filter(pk=delivery.pk)
        mine.update(queue=QUEUE)
        for _ in range(MOST_ATTEMPTS):
            ledger.run_now([delivery.pk])
            (claimed,) = ledger.claim(QUEUE, owner=str(current_process()), limit=1, lease=conf.lease)
            if run.attempt(claimed, receiver):
                ledger.recover_lost(QUEUE, is_dead=lambda owner: True)
            run.state = mine.get().state
            if run.state in FINAL_STATES:
                break
        if last := Attempt.objects.using(alias).filter(delivery=delivery.pk).order_by("id").last():
            run.error = f"{last.error_class}: {last.message}\n{last.traceback}".strip()
        events.write()  # what was counted goes with all the rest
        for name, rows in self._tables.items():
            if name in self._changed or name not in self._after or rows.model._meta.db_table in run.written:
                now = list(rows.exclude(pk=delivery.pk) if rows.model is Delivery else rows.all())
                self._changed |= {name} if now != self._before[name] else set()
                run.rows[name] = [self._comparable(rows.model, row) for row in now]
            else:
                run.rows[name] = self._after[name]
        self._after = self._after or run.rows

    def _comparable(self, model: type[Model], row: tuple[Any, ...]) -> Row:
        """Return a row in a form that is the same whatever keys the database gave to new rows."""
        kept, fields = {}, cast(list[Any], model._meta.local_concrete_fields)
        for field, value in zip(fields, row, strict=True):
            key = field.target_field if field.is_relation else field
            is_key = key.primary_key and (field.is_relation or isinstance(field, AutoField))
            is_new = is_key and value is not None and value not in self._keys.get(key.model, ())
            kept[field.attname] = "a new one" if is_new else repr(value)
        return kept


def _may_be_used(db: BaseDatabaseWrapper) -> bool:
    try:
        db.cursor().close()
    except AssertionError:  # the test's ``databases`` leave it out
        return False
    return True


def _tables(db: BaseDatabaseWrapper) -> Iterator[tuple[str, QuerySet[Any, Any]]]:
    """Yield the tables of a database whose rows are effects: all but the record of the worker."""
    there = set(db.introspection.table_names())
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        is_record = meta.app_label == Delivery._meta.app_label and model is not Delivery
        if meta.db_table in there and not meta.proxy and not is_record and router.allow_migrate_model(db.alias, model):
            name = meta.db_table if db is ledger.connection() else f"{meta.db_table} of {db.alias}"
            # not by a manager, which may leave rows out
            yield (
                name,
                QuerySet(model=model, using=db.alias).values_list(*(f.attname for f in meta.local_concrete_fields)),
            )


class _Comparison:
    """Compares runs with two undisturbed ones, of which the second is a second attempt.

    What differs between those two is not compared: times, random values, the number of the attempt.
    """

    def __init__(self, first: Run, second: Run) -> None:
        self._first = first
        self._volatile: set[tuple[str, str]] = set()
        for name in {**first.calls, **first.rows}:
            one, other = _effects(first, name), _effects(second, name)
            for column in {column for row in (*one, *other) for column in row}:
                if Counter(row.get(column) for row in one) != Counter(row.get(column) for row in other):
                    self._volatile.add((name, column))
        self.found: dict[tuple[str, str], list[tuple[str, Run]]] = {}

    def add(self, run: Run) -> None:
        """Compare one more run."""
        if run.state != State.SUCCESSFUL:
            self._find("", "", f"the delivery ends {run.state}: {run.error.splitlines()[0]}", run)
        for name in sorted({**self._first.calls, **run.calls, **run.rows}):
            if _effects(run, name) is _effects(self._first, name):  # a table that was not read again
                continue
            noun = "rows" if name in run.rows else "calls"
            was, now = self._counted(self._first, name), self._counted(run, name)
            if now.total() != was.total():
                kind = "doubles" if now.total() > was.total() else "vanishes"
                self._find(name, kind, f"{name}: {now.total()} {noun} instead of {was.total()}", run)
            elif now != was:
                old, new = dict(next(iter(was - now))), dict(next(iter(now - was)))
                changed = [f"{key}={new.get(key)} instead of {old[key]}" for key in old if old[key] != new.get(key)]
                self._find(name, "changes", f"{name}: {', '.join(changed)}", run)

    def _counted(self, run: Run, name: str) -> Counter[tuple[tuple[str, str], ...]]:
        return Counter(
            tuple((column, value) for column, value in row.items() if (name, column) not in self._volatile)
            for row in _effects(run, name)
        )

    def _find(self, name: str, kind: str, says: str, run: Run) -> None:
        self.found.setdefault((name, kind), []).append((says, run))

    def report(self, receiver: QueuedReceiver, deaths: int) -> str:
        """Return each wrong effect with its lines, the first death that leads to it, and a cure."""
        said = [f"{receiver.key} does not survive its worker. Deaths: {deaths}, wrong effects: {len(self.found)}."]
        for number, ((name, kind), findings) in enumerate(self.found.items(), start=1):
            says, run = findings[0]
            effect = name.partition(" of ")[0] if name in run.rows else name
            said += [f"{number}. {says}"]
            said += [f"   made {place}" for place in run.places.get(effect) or self._first.places.get(effect) or ()]
            said += [f"   when it dies {run.died}" + f" ({len(findings)} such points)" * (len(findings) > 1)]
            said += [f"   {_cure(kind, receiver, is_call=bool(name) and name not in run.rows)}"]
        return "\n".join(said)


def _effects(run: Run, name: str) -> list[Row]:
    return run.calls.get(name) or run.rows.get(name) or []


def _cure(kind: str, receiver: QueuedReceiver, *, is_call: bool) -> str:
    if is_call and kind == "vanishes":
        return "Call before the commit, or in a queued receiver of its own, of a signal that is sent before it."
    if is_call:
        key = "current_delivery().idempotency_key, which is the same at each attempt"
        return f"Give the service {key}, or ask it first whether this was done."
    if not kind and receiver.options.max_attempts == 1:
        return "Let there be another attempt: max_attempts=2 or more."
    if not receiver.options.atomic:
        return "With atomic=True what it writes and its success commit together."
    return "atomic=True holds for the database of the deliveries, and within the receiver's own transaction only."
