"""What operators do: one set of functions, which the admin's pages and the commands call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import events, ledger
from signals_app.conf import clusters, conf
from signals_app.console.queries import Selection, possible
from signals_app.dispatcher import registry
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, Pause, PauseKind, State
from signals_app.redaction.records import get_logger

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts. Without a user, as from a terminal, nothing enters the admin's history; the log has the name."""

    name: str
    user_id: Any = None  # the primary key, of whatever type the project's user has

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Operator:
        """Return a user as operator."""
        return cls(name=user.get_username(), user_id=user.pk)


def remember(rows: Iterable[Delivery | Pause], said: str, by: Operator) -> None:
    """Write what was done to rows of one model into the admin's history, where the project has one."""
    if by.user_id is not None and apps.is_installed("django.contrib.admin"):
        log_entry: Any = apps.get_model("admin", "LogEntry")  # the app runs without the admin, too
        log_entry.objects.log_actions(by.user_id, rows, _CHANGE, said)


_CHANGE = 2  # django.contrib.admin.models.CHANGE, a module that cannot be imported where the admin is not installed


# what an entry of the history says -> the deliveries it is said of
Changed = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The deliveries that an operation can change."""

    states: tuple[State, ...]
    later: bool = False  # only those that are due later
    unroutable: bool = False  # only those whose receiver no worker knows
    not_in: str = ""  # only those of other queues

    def condition(self) -> Q:
        """Return it for a query."""
        found = Q(state__in=self.states)
        if self.later:
            found &= Q(due_at__gt=timezone.now())
        if self.unroutable:
            found &= Q(unroutable=True)
        if self.not_in:
            found &= ~Q(queue=self.not_in)
        return found

    def holds(self, delivery: Delivery) -> bool:
        """Tell whether a delivery is one of them."""
        return (
            delivery.state in self.states
            and (not self.later or delivery.due_at > timezone.now())
            and (not self.unroutable or delivery.unroutable)
            and delivery.queue != self.not_in
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change by hand. ``name`` is that of its permission, as in ``retry_delivery``.

    ``change`` takes the ids of one batch, changes those that it can and returns them under what their history is to
    say; it may be repeated. ``done`` and ``refused`` say how many were changed, and left as they were.
    """

    name: str
    label: Callable[[], str]
    scope: Scope
    change: Callable[[Sequence[int]], Changed]
    done: Callable[[int], str]
    refused: Callable[[int], str]

    @property
    def permission(self) -> str:
        """The permission it takes, as ``has_perm`` wants it."""
        return permission_to(self.name)


def permission_to(name: str) -> str:
    """Return the permission that the operation of a name takes, as ``has_perm`` wants it."""
    return f"signals_app.{name}_delivery"


def known_queues() -> list[str]:
    """Return the queues that a setting, a receiver, a cluster that was heard of or a waiting delivery names."""
    of_settings = {conf.queue} | {cluster.name for cluster in clusters()}
    of_receivers = {receiver.options.queue for receiver in registry.all()}
    return sorted(of_settings | of_receivers | {one.queue for one in ledger.clusters()} | {*ledger.queues_with_work()})


def known_receivers() -> list[str]:
    """Return the keys of the receivers that this process knows."""
    return [receiver.key for receiver in registry.all()]


def require_queue(name: str) -> None:
    """Raise OperationRefused, with the names there are, where nothing is known of a queue."""
    known = known_queues()
    if name not in known:
        raise OperationRefused(f"There is no queue {name!r}. There are: {', '.join(known)}.")


def require_receiver(key: str) -> None:
    """Raise OperationRefused, with the names that are like it, where this process does not know a receiver."""
    if registry.get(key) is None:
        last = key.rpartition(".")[2].lower()
        alike = [one for one in known_receivers() if last and last in one.lower()]
        there_are = f"There are: {', '.join(alike or known_receivers())}."
        raise OperationRefused(f"This process knows no receiver {key!r}. {there_are}")


def require_pausable(kind: PauseKind, name: str) -> None:
    """Raise OperationRefused where there is no such queue, and where no receiver or waiting delivery has that key."""
    if kind == PauseKind.QUEUE:
        require_queue(name)
    elif not ledger.awaits(name):
        require_receiver(name)


_RETRIED = (State.FAILED, State.CANCELLED)


def _retry(ids: Sequence[int]) -> Changed:
    """Grant each delivery as many attempts as its receiver is given where this process knows it, else the default."""
    rows = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids, state__in=_RETRIED).order_by("pk")
    granted = defaultdict(list)
    # locked in one order: group by group, two operators who retry the same deliveries could wait for each other
    for key, pk in rows.select_for_update().values_list("receiver", "pk"):
        receiver = registry.get(key)
        granted[receiver.options.max_attempts if receiver else conf.max_attempts].append(pk)
    changed = {}
    for attempts, group in granted.items():
        said = ngettext(
            "Retried, with up to %(count)d more attempt.", "Retried, with up to %(count)d more attempts.", attempts
        )
        changed[said % {"count": attempts}] = ledger.retry(group, attempts=attempts)
    return changed


def _ready_again(count: int) -> str:
    said = ngettext("%(count)d delivery is ready again.", "%(count)d deliveries are ready again.", count)
    return said % {"count": count}


def _neither_failed_nor_cancelled(count: int) -> str:
    said = ngettext(
        "%(count)d delivery was neither failed nor cancelled and was left as it is.",
        "%(count)d deliveries were neither failed nor cancelled and were left as they are.",
        count,
    )
    return said % {"count": count}


def _cancelled(count: int) -> str:
    return ngettext("%(count)d delivery was cancelled.", "%(count)d deliveries were cancelled.", count) % {
        "count": count
    }


def _not_ready(count: int) -> str:
    said = ngettext(
        "%(count)d delivery was not ready and was left as it is.",
        "%(count)d deliveries were not ready and were left as they are.",
        count,
    )
    return said % {"count": count}


def _due_now(count: int) -> str:
    return ngettext("%(count)d delivery is due now.", "%(count)d deliveries are due now.", count) % {"count": count}


def _not_later(count: int) -> str:
    said = ngettext(
        "%(count)d delivery did not wait for later and was left as it is.",
        "%(count)d deliveries did not wait for later and were left as they are.",
        count,
    )
    return said % {"count": count}


RETRY = Operation(
    name="retry",
    label=lambda: _("Retry"),
    scope=Scope(states=_RETRIED),
    change=_retry,
    done=_ready_again,
    refused=_neither_failed_nor_cancelled,
)

CANCEL = Operation(
    name="cancel",
    label=lambda: _("Cancel"),
    scope=Scope(states=(State.READY,)),
    change=lambda ids: {_("Cancelled."): ledger.cancel(ids)},
    done=_cancelled,
    refused=_not_ready,
)

RUN_NOW = Operation(
    name="run_now",
    label=lambda: _("Run now"),
    scope=Scope(states=(State.READY,), later=True),
    change=lambda ids: {_("Made due now."): ledger.run_now(ids)},
    done=_due_now,
    refused=_not_later,
)


def move_to(queue: str) -> Operation:
    """Return the operation that puts waiting deliveries into a queue. Raises OperationRefused where there is none."""
    require_queue(queue)

    def done(count: int) -> str:
        said = ngettext(
            "%(count)d delivery is in the queue %(queue)s now.",
            "%(count)d deliveries are in the queue %(queue)s now.",
            count,
        )
        return said % {"count": count, "queue": queue}

    def refused(count: int) -> str:
        said = ngettext(
            "%(count)d delivery was not ready, or in that queue already, and was left as it is.",
            "%(count)d deliveries were not ready, or in that queue already, and were left as they are.",
            count,
        )
        return said % {"count": count}

    return Operation(
        name="move",
        label=lambda: _("Move to the queue %(queue)s") % {"queue": queue},
        scope=Scope(states=(State.READY,), not_in=queue),
        change=lambda ids: {_("Moved to the queue %(queue)s.") % {"queue": queue}: ledger.move(ids, queue=queue)},
        done=done,
        refused=refused,
    )


def reassign_to(receiver: str) -> Operation:
    """Return the operation that gives unroutable deliveries a receiver, by its key.

    Raises OperationRefused where this process does not know the receiver.
    """
    require_receiver(receiver)

    def done(count: int) -> str:
        said = ngettext(
            "%(count)d delivery waits for %(receiver)s now.", "%(count)d deliveries wait for %(receiver)s now.", count
        )
        return said % {"count": count, "receiver": receiver}

    def refused(count: int) -> str:
        said = ngettext(
            "%(count)d delivery was not ready and unroutable and was left as it is.",
            "%(count)d deliveries were not ready and unroutable and were left as they are.",
            count,
        )
        return said % {"count": count}

    def change(ids: Sequence[int]) -> Changed:
        said = _("Given to the receiver %(receiver)s.") % {"receiver": receiver}
        return {said: ledger.reassign(ids, receiver=receiver)}

    return Operation(
        name="reassign",
        label=lambda: _("Give to the receiver %(receiver)s") % {"receiver": receiver},
        scope=Scope(states=(State.READY,), unroutable=True),
        change=change,
        done=done,
        refused=refused,
    )


AT_ONCE = 5_000  # deliveries that one request changes, so that it ends
_BATCH = 500  # deliveries of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of it: the ids that changed, in order, and how many were left as they were."""

    operation: Operation
    changed: tuple[int, ...]
    refused: int = 0

    def sentences(self) -> list[str]:
        """Return what to tell the operator."""
        told = [self.operation.done(len(self.changed))] if self.changed or not self.refused else []
        return told + ([self.operation.refused(self.refused)] if self.refused else [])


def perform(operation: Operation, ids: Iterable[int], *, by: Operator) -> Result:
    """Change those of the named deliveries that can be changed; the others are left as they are and counted."""
    named = sorted(set(ids))
    changed = [one for batch in _batches(possible(named)) for one in _perform_batch(operation, batch, by)]
    return Result(operation=operation, changed=tuple(changed), refused=len(named) - len(changed))


def perform_on(operation: Operation, selection: Selection, *, by: Operator, limit: int | None = None) -> Result:
    """Change the selected deliveries that can be changed, oldest first, and at most ``limit`` of them.

    What is handed off meanwhile is left; what changed its state meanwhile is counted as refused.
    """
    changed: list[int] = []
    tried = 0
    rows = matching(operation, selection).order_by("pk")
    last, end = 0, rows.aggregate(end=Max("pk"))["end"] or 0
    while last < end and (limit is None or tried < limit):
        size = _BATCH if limit is None else min(_BATCH, limit - tried)
        batch = list(rows.filter(pk__gt=last, pk__lte=end).values_list("pk", flat=True)[:size])
        if not batch:
            break
        changed += _perform_batch(operation, batch, by)
        last, tried = batch[-1], tried + len(batch)
    return Result(operation=operation, changed=tuple(changed), refused=tried - len(changed))


def matching(operation: Operation, selection: Selection) -> QuerySet[Delivery]:
    """Return the selected deliveries that an operation can change; to be counted before it is done."""
    return selection.rows().filter(operation.scope.condition())


def _perform_batch(operation: Operation, ids: list[int], by: Operator) -> list[int]:
    alias = ledger.connection().alias
    with transaction.atomic(using=alias):
        groups = {said: _rows(changed) for said, changed in operation.change(ids).items() if changed}
        for said, rows in groups.items():
            remember(rows, said, by)
    for said, rows in groups.items():
        for row in rows:
            events.operated(row, operation=operation.name, said=said, by=by.name)
    return sorted(row.pk for rows in groups.values() for row in rows)


def _rows(ids: Iterable[int]) -> list[Delivery]:
    rows = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids).order_by("pk")
    return list(rows.only("emission", "signal", "receiver", "queue"))


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


logger = get_logger("signals_app.operations")

PAUSE_PERMISSION = "signals_app.pause_delivery"  # to pause, and to resume


def pause(kind: PauseKind, name: str, *, by: Operator) -> bool:
    """Pause a queue or a receiver. False when it is paused already.

    Raises OperationRefused where there is no such queue or receiver.
    """
    require_pausable(kind, name)
    with transaction.atomic(using=ledger.connection().alias):
        if not ledger.pause(kind, name, by=by.name):
            return False
        remember(_pauses_of(kind, name), _("Paused."), by)
    logger.warning("The %s %s is paused by %s.", kind.label, name, by.name)
    return True


def resume(kind: PauseKind, name: str, *, by: Operator) -> bool:
    """Resume a queue or a receiver. False when it was not paused."""
    with transaction.atomic(using=ledger.connection().alias):
        rows = _pauses_of(kind, name)
        if not ledger.resume(kind, name):
            return False
        remember(rows, _("Resumed."), by)
    logger.warning("The %s %s is resumed by %s.", kind.label, name, by.name)
    return True


def _pauses_of(kind: PauseKind, name: str) -> list[Pause]:
    return list(Pause.objects.using(ledger.connection().alias).filter(kind=kind, name=name))
