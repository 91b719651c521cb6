"""What operators do: one set of functions, which the admin's pages and the commands call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from signals_app import events, ledger
from signals_app.conf import clusters, conf
from signals_app.console.queries import Selection, possible
from signals_app.dispatcher import registry
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, Pause, PauseKind, State
from signals_app.redaction.logs import get_logger

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.utils.functional import _StrPromise


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
class Target:
    """What an operation needs beside the deliveries: a name, one of ``names()``."""

    question: _StrPromise
    names: Callable[[], list[str]]
    refusal: str  # of a name there is not, which stands for {!r}

    def require(self, name: str) -> None:
        """Raise OperationRefused, with the names that are like it or else all, where there is no such name."""
        known = self.names()
        if name not in known:
            last = name.rpartition(".")[2].lower()
            alike = [one for one in known if last and last in one.lower()]
            raise OperationRefused(f"{self.refusal.format(name)} There are: {', '.join(alike or known)}.")


def _known_queues() -> list[str]:
    """Return the queues that a setting, a receiver, a cluster that was heard of or a waiting delivery names."""
    of_settings = {conf.queue} | {cluster.name for cluster in clusters()}
    of_receivers = {receiver.options.queue for receiver in registry.all()}
    return sorted(of_settings | of_receivers | {one.queue for one in ledger.clusters()} | {*ledger.queues_with_work()})


def _known_receivers() -> list[str]:
    return [receiver.key for receiver in registry.all()]


QUEUE = Target(question=_("To the queue"), names=_known_queues, refusal="There is no queue {!r}.")
RECEIVER = Target(question=_("To the receiver"), names=_known_receivers, refusal="This process knows no receiver {!r}.")


def require_pausable(kind: PauseKind, name: str) -> None:
    """Raise OperationRefused where there is no such queue, and where no receiver or waiting delivery has that key."""
    if kind == PauseKind.QUEUE:
        QUEUE.require(name)
    elif not ledger.awaits(name):
        RECEIVER.require(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change by hand; ``name`` is that of its permission, as in ``retry_delivery``. ``to`` is the target once chosen.

    ``change`` takes the ids of one batch and the target, changes those that it can and returns them under what their
    history is to say; it may be repeated. ``done`` and ``refused`` say how many were changed, and left as they were.
    """

    name: str
    verb: _StrPromise
    of_many: _StrPromise
    change: Callable[[Sequence[int], str], Changed]
    done: _StrPromise
    refused: _StrPromise
    states: tuple[State, ...] = (State.READY,)  # those that it can change, and of these
    later: bool = False  # only what is due later
    unroutable: bool = False  # only what waits for a receiver that no worker knows
    elsewhere: bool = False  # only what is in another queue than the target
    target: Target | None = None
    title: _StrPromise | None = None  # in place of the verb, once the target is chosen
    to: str = ""

    @property
    def permission(self) -> str:
        """The permission it takes, as ``has_perm`` wants it."""
        return f"signals_app.{self.name}_delivery"

    def label(self) -> str:
        """Return its name, with the target where that is chosen."""
        return self.title % {"to": self.to} if self.title and self.to else str(self.verb)

    def aimed_at(self, to: str) -> Operation:
        """Return it with its target chosen. Raises OperationRefused where that does not exist."""
        if self.target is None:
            return self
        self.target.require(to)
        return replace(self, to=to)

    def condition(self) -> Q:
        """Return the condition that it can change a delivery."""
        found = Q(state__in=self.states)
        found &= Q(due_at__gt=timezone.now()) if self.later else Q()
        found &= Q(unroutable=True) if self.unroutable else Q()
        return found & ~Q(queue=self.to) if self.elsewhere else found

    def can_change(self, delivery: Delivery) -> bool:
        """Tell whether a delivery meets the condition, without a query."""
        return (
            delivery.state in self.states
            and (not self.later or delivery.due_at > timezone.now())
            and (not self.unroutable or delivery.unroutable)
            and (not self.elsewhere or delivery.queue != self.to)
        )


def _retry(ids: Sequence[int], _to: str) -> Changed:
    """Grant each delivery as many attempts as its receiver is given where this process knows it, else the default."""
    rows = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids, state__in=RETRY.states).order_by("pk")
    granted = defaultdict(list)
    # locked in one order: group by group, two operators who retry the same deliveries could wait for each other
    for key, pk in rows.select_for_update().values_list("receiver", "pk"):
        receiver = registry.get(key)
        granted[receiver.options.max_attempts if receiver else conf.max_attempts].append(pk)
    said = ngettext_lazy(
        "Retried, with up to %(count)d more attempt.", "Retried, with up to %(count)d more attempts.", "count"
    )
    return {said % {"count": attempts}: ledger.retry(group, attempts=attempts) for attempts, group in granted.items()}


RETRY = Operation(
    name="retry",
    verb=_("Retry"),
    of_many=_("Retry selected deliveries"),
    states=(State.FAILED, State.CANCELLED),
    change=_retry,
    done=ngettext_lazy("%(count)d delivery is ready again.", "%(count)d deliveries are ready again.", "count"),
    refused=ngettext_lazy(
        "%(count)d delivery was neither failed nor cancelled and was left as it is.",
        "%(count)d deliveries were neither failed nor cancelled and were left as they are.",
        "count",
    ),
)
CANCEL = Operation(
    name="cancel",
    verb=_("Cancel"),
    of_many=_("Cancel selected deliveries"),
    change=lambda ids, _to: {gettext("Cancelled."): ledger.cancel(ids)},
    done=ngettext_lazy("%(count)d delivery was cancelled.", "%(count)d deliveries were cancelled.", "count"),
    refused=ngettext_lazy(
        "%(count)d delivery was not ready and was left as it is.",
        "%(count)d deliveries were not ready and were left as they are.",
        "count",
    ),
)
RUN_NOW = Operation(
    name="run_now",
    verb=_("Run now"),
    of_many=_("Run selected deliveries now"),
    later=True,
    change=lambda ids, _to: {gettext("Made due now."): ledger.run_now(ids)},
    done=ngettext_lazy("%(count)d delivery is due now.", "%(count)d deliveries are due now.", "count"),
    refused=ngettext_lazy(
        "%(count)d delivery did not wait for later and was left as it is.",
        "%(count)d deliveries did not wait for later and were left as they are.",
        "count",
    ),
)
MOVE = Operation(
    name="move",
    verb=_("Move to another queue"),
    title=_("Move to the queue %(to)s"),
    of_many=_("Move selected deliveries to another queue"),
    target=QUEUE,
    elsewhere=True,
    change=lambda ids, to: {gettext("Moved to the queue %(to)s.") % {"to": to}: ledger.move(ids, queue=to)},
    done=ngettext_lazy(
        "%(count)d delivery is in the queue %(to)s now.", "%(count)d deliveries are in the queue %(to)s now.", "count"
    ),
    refused=ngettext_lazy(
        "%(count)d delivery was not ready, or in that queue already, and was left as it is.",
        "%(count)d deliveries were not ready, or in that queue already, and were left as they are.",
        "count",
    ),
)
REASSIGN = Operation(
    name="reassign",
    verb=_("Give to another receiver"),
    title=_("Give to the receiver %(to)s"),
    of_many=_("Give selected deliveries to another receiver"),
    target=RECEIVER,
    unroutable=True,
    change=lambda ids, to: {gettext("Given to the receiver %(to)s.") % {"to": to}: ledger.reassign(ids, receiver=to)},
    done=ngettext_lazy(
        "%(count)d delivery waits for %(to)s now.", "%(count)d deliveries wait for %(to)s now.", "count"
    ),
    refused=ngettext_lazy(
        "%(count)d delivery was not ready and unroutable and was left as it is.",
        "%(count)d deliveries were not ready and unroutable and were left as they are.",
        "count",
    ),
)
OPERATIONS = {one.name: one for one in (RETRY, CANCEL, RUN_NOW, MOVE, REASSIGN)}
move_to, reassign_to = MOVE.aimed_at, REASSIGN.aimed_at


_BATCH = 500  # deliveries of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of it: the ids that changed, in order, and how many were left as they were."""

    operation: Operation
    changed: tuple[int, ...]
    refused: int = 0

    def sentences(self) -> list[str]:
        """Return what to tell the operator."""
        counts = ((self.operation.done, len(self.changed)), (self.operation.refused, self.refused))
        told = [said % {"count": count, "to": self.operation.to} for said, count in counts if count]
        return told or [self.operation.done % {"count": 0, "to": self.operation.to}]


def perform(operation: Operation, ids: Iterable[int], *, by: Operator) -> Result:
    """Change those of the named deliveries that can be changed; the others are left as they are and counted."""
    named = sorted(set(ids))
    there = possible(named)
    batches = [there[start : start + _BATCH] for start in range(0, len(there), _BATCH)]
    changed = [one for batch in batches for one in _perform_batch(operation, batch, by)]
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
    return selection.rows().filter(operation.condition())


def _perform_batch(operation: Operation, ids: list[int], by: Operator) -> list[int]:
    alias = ledger.connection().alias
    rows = Delivery.objects.using(alias).only("emission", "signal", "receiver", "queue").order_by("pk")
    with transaction.atomic(using=alias):
        changed = operation.change(ids, operation.to)
        groups = {said: list(rows.filter(pk__in=group)) for said, group in changed.items() if group}
        for said, group in groups.items():
            remember(group, said, by)
    for said, group in groups.items():
        for row in group:
            events.operated(row, operation=operation.name, said=said, by=by.name)
    return sorted(row.pk for group in groups.values() for row in group)


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
        remember(_pauses_of(kind, name), gettext("Paused."), by)
    logger.warning("The %s %s is paused by %s.", kind.label, name, by.name)
    return True


def resume(kind: PauseKind, name: str, *, by: Operator) -> bool:
    """Resume a queue or a receiver. False when it was not paused."""
    with transaction.atomic(using=ledger.connection().alias):
        rows = _pauses_of(kind, name)
        if not ledger.resume(kind, name):
            return False
        remember(rows, gettext("Resumed."), by)
    logger.warning("The %s %s is resumed by %s.", kind.label, name, by.name)
    return True


def _pauses_of(kind: PauseKind, name: str) -> list[Pause]:
    return list(Pause.objects.using(ledger.connection().alias).filter(kind=kind, name=name))
