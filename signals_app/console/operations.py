"""What operators do to deliveries, queues and receivers. The admin's pages and the commands both call it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from signals_app import events, ledger
from signals_app.conf import clusters, conf
from signals_app.console.formatting import pause_words
from signals_app.console.queries import Selection, blocks_a_lane, is_unroutable, possible
from signals_app.dispatcher import registry
from signals_app.dispatcher.schedules import schedules
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, Pause, PauseKind, State
from signals_app.redaction.logs import get_logger

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.utils.functional import _StrPromise

logger = get_logger("signals_app.operations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts. Without a user, as from a terminal, nothing enters the admin's history; the log has the name."""

    name: str
    user_id: Any = None  # the primary key, of whatever type the project's user has

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Operator:
        return cls(name=user.get_username(), user_id=user.pk)

    def did(self, said: str, rows: Iterable[Delivery | Pause]) -> None:
        """Write what was done to rows of one model into the admin's history, where the project has one."""
        if self.user_id is not None and apps.is_installed("django.contrib.admin"):
            log_entry: Any = apps.get_model("admin", "LogEntry")  # the app runs without the admin, too
            log_entry.objects.log_actions(self.user_id, rows, _CHANGE, said)


_CHANGE = 2  # django.contrib.admin.models.CHANGE, a module that cannot be imported where the admin is not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an operation needs beside the deliveries: one of ``names()``."""

    question: _StrPromise
    names: Callable[[], list[str]]
    refusal: str  # of a name there is not, which stands for {!r}

    def require(self, name: str) -> None:
        """Raise OperationRefused for a name there is not, with those that are like it or else with all of them."""
        known = self.names()
        if name not in known:
            close = get_close_matches(name, known)
            others = f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(known)}."
            raise OperationRefused(f"{self.refusal.format(name)} {others}")


def _known_queues() -> list[str]:
    """Return the queues that a setting, a receiver, a cluster of the last hour or a waiting delivery names."""
    of_settings = {conf.queue} | {cluster.name for cluster in clusters()}
    of_receivers = {receiver.options.queue for receiver in registry.all()}
    return sorted(of_settings | of_receivers | {one.queue for one in ledger.clusters()} | {*ledger.queues_with_work()})


QUEUE = Target(question=_("To the queue"), names=_known_queues, refusal="There is no queue {!r}.")
RECEIVER = Target(
    question=_("To the receiver"),
    names=lambda: [receiver.key for receiver in registry.all()],
    refusal="This process knows no receiver {!r}.",
)

SCHEDULE = Target(
    question=_("Which schedule"),
    names=lambda: sorted({*schedules(), *(one.key for one in ledger.schedules_on_record())}),
    refusal="There is no schedule {!r}.",
)


# what an entry of the history says -> the deliveries it is said of
Changed = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change by hand; ``name`` is that of its permission, as in ``retry_delivery``. ``to`` is the target once chosen.

    ``condition`` takes the target and is met by the deliveries that can be changed. ``change`` takes the ids of one
    batch and the target, changes those that it can and returns them; it may be repeated.
    """

    name: str
    verb: _StrPromise
    of_many: _StrPromise
    question: _StrPromise  # asks whether to go on, of how many
    consequence: _StrPromise  # says what follows from it
    button: _StrPromise  # names the act and its object
    help: str  # in the terminal
    condition: Callable[[str], Q]
    change: Callable[[Sequence[int], str], Changed]
    done: _StrPromise  # says how many were changed
    only: _StrPromise  # says which ones can be changed, where others were chosen
    target: Target | None = None
    is_dangerous: bool = False  # looks so, and is offered last
    title: _StrPromise | None = None  # in place of the verb, once the target is chosen
    to: str = ""

    @property
    def permission(self) -> str:
        """The permission it takes, as ``has_perm`` wants it."""
        return f"signals_app.{self.name}_delivery"

    def label(self) -> str:
        return self.title % {"to": self.to} if self.title and self.to else str(self.verb)

    def aimed_at(self, to: str) -> Operation:
        """Return it with its target chosen. Raises OperationRefused where that does not exist."""
        if self.target is None:
            return self
        self.target.require(to)
        return replace(self, to=to)


def _retry(ids: Sequence[int], to: str) -> Changed:
    """Grant each delivery as many attempts as its receiver is given where this process knows it, else the default."""
    rows = Delivery.objects.using(ledger.connection().alias).filter(RETRY.condition(to), pk__in=ids).order_by("pk")
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
    question=ngettext_lazy("Retry %(count)d delivery?", "Retry %(count)d deliveries?", "count"),
    consequence=ngettext_lazy(
        "It runs again as soon as a worker is free. What its receiver has already done, it may do twice.",
        "They run again as soon as workers are free. What their receivers have already done, they may do twice.",
        "count",
    ),
    button=ngettext_lazy("Retry delivery", "Retry deliveries", "count"),
    help="make failed and cancelled deliveries ready again",
    condition=lambda _to: Q(state__in=(State.FAILED, State.CANCELLED)),
    change=_retry,
    done=ngettext_lazy("%(count)d delivery is ready again.", "%(count)d deliveries are ready again.", "count"),
    only=_("only failed and cancelled ones can be retried"),
)
CANCEL = Operation(
    name="cancel",
    verb=_("Cancel"),
    of_many=_("Cancel selected deliveries"),
    question=ngettext_lazy("Cancel %(count)d delivery?", "Cancel %(count)d deliveries?", "count"),
    consequence=ngettext_lazy(
        "It will not run. If it runs now, it is stopped within seconds, unless it ends first. What it has done outside "
        "of a transaction stays done. You can retry it later.",
        "They will not run. Those that run now are stopped within seconds, unless they end first. What they have done "
        "outside of a transaction stays done. You can retry them later.",
        "count",
    ),
    button=ngettext_lazy("Cancel delivery", "Cancel deliveries", "count"),
    help="cancel deliveries that wait, and stop those that run",
    condition=lambda _to: Q(state__in=(State.READY, State.RUNNING)),
    change=lambda ids, _to: {gettext("Cancelled."): ledger.cancel(ids)},
    done=ngettext_lazy("%(count)d delivery was cancelled.", "%(count)d deliveries were cancelled.", "count"),
    only=_("only ready and running ones can be cancelled"),
    is_dangerous=True,
)
RUN_NOW = Operation(
    name="run_now",
    verb=_("Run now"),
    of_many=_("Run selected deliveries now"),
    question=ngettext_lazy("Run %(count)d delivery now?", "Run %(count)d deliveries now?", "count"),
    consequence=ngettext_lazy(
        "It runs as soon as a worker is free and its rate allows, and not at the time it was to wait for.",
        "They run as soon as workers are free and their rates allow, and not at the times they were to wait for.",
        "count",
    ),
    button=ngettext_lazy("Run delivery now", "Run deliveries now", "count"),
    help="make deliveries scheduled for later due now",
    condition=lambda _to: Q(state=State.READY, due_at__gt=timezone.now()),
    change=lambda ids, _to: {gettext("Made due now."): ledger.run_now(ids)},
    done=ngettext_lazy("%(count)d delivery is due now.", "%(count)d deliveries are due now.", "count"),
    only=_("only ready ones that are due later can be run now"),
)
MOVE = Operation(
    name="move",
    verb=_("Move to another queue"),
    title=_("Move to the queue %(to)s"),
    of_many=_("Move selected deliveries to another queue"),
    question=ngettext_lazy(
        "Move %(count)d delivery to the queue %(to)s?", "Move %(count)d deliveries to the queue %(to)s?", "count"
    ),
    consequence=ngettext_lazy(
        "From now on only a cluster of that queue runs it.",
        "From now on only a cluster of that queue runs them.",
        "count",
    ),
    button=ngettext_lazy("Move delivery", "Move deliveries", "count"),
    help="move waiting deliveries to another queue",
    target=QUEUE,
    condition=lambda to: Q(state=State.READY) & ~Q(queue=to),
    change=lambda ids, to: {gettext("Moved to the queue %(to)s.") % {"to": to}: ledger.move(ids, queue=to)},
    done=ngettext_lazy(
        "%(count)d delivery is in the queue %(to)s now.", "%(count)d deliveries are in the queue %(to)s now.", "count"
    ),
    only=_("only ready ones of another queue can be moved"),
)
REASSIGN = Operation(
    name="reassign",
    verb=_("Give to another receiver"),
    title=_("Give to the receiver %(to)s"),
    of_many=_("Give selected deliveries to another receiver"),
    question=ngettext_lazy(
        "Give %(count)d delivery to the receiver %(to)s?", "Give %(count)d deliveries to the receiver %(to)s?", "count"
    ),
    consequence=ngettext_lazy(
        "It runs with that receiver as soon as a worker is free, and never with the one it was sent to.",
        "They run with that receiver as soon as workers are free, and never with the one they were sent to.",
        "count",
    ),
    button=ngettext_lazy("Give delivery to this receiver", "Give deliveries to this receiver", "count"),
    help="give unroutable deliveries to another receiver",
    target=RECEIVER,
    condition=lambda _to: is_unroutable(),
    change=lambda ids, to: {gettext("Given to the receiver %(to)s.") % {"to": to}: ledger.reassign(ids, receiver=to)},
    done=ngettext_lazy(
        "%(count)d delivery waits for %(to)s now.", "%(count)d deliveries wait for %(to)s now.", "count"
    ),
    only=_("only ready, unroutable ones can be given to another receiver"),
)
FREE = Operation(
    name="free",
    verb=_("Free its lane"),
    of_many=_("Free the lanes of selected deliveries"),
    question=ngettext_lazy(
        "Free the lane that %(count)d delivery blocks?", "Free the lanes that %(count)d deliveries block?", "count"
    ),
    consequence=ngettext_lazy(
        "What waits behind it runs, although it has failed. Retried later, it blocks its lane no more.",
        "What waits behind them runs, although they have failed. Retried later, they block their lanes no more.",
        "count",
    ),
    button=ngettext_lazy("Free lane", "Free lanes", "count"),
    help="let lanes go on that failed deliveries block",
    condition=lambda _to: blocks_a_lane(),
    change=lambda ids, _to: {gettext("Freed its lane."): ledger.free(ids)},
    done=ngettext_lazy(
        "%(count)d delivery blocks its lane no more.", "%(count)d deliveries block their lanes no more.", "count"
    ),
    only=_("only failed ones that block a lane can be freed"),
)
OPERATIONS = {one.name: one for one in (RETRY, RUN_NOW, MOVE, REASSIGN, FREE, CANCEL)}

_LEFT = ngettext_lazy(
    "%(count)d delivery was left as it is: %(only)s.", "%(count)d deliveries were left as they are: %(only)s.", "count"
)
_BATCH = 500  # deliveries of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The ids that changed, in order, and how many were left as they were."""

    operation: Operation
    changed: tuple[int, ...]
    refused: int = 0

    def sentences(self) -> list[str]:
        counts = ((self.operation.done, len(self.changed)), (_LEFT, self.refused))
        words = {"to": self.operation.to, "only": self.operation.only}
        told = [said % {"count": count, **words} for said, count in counts if count]
        return told or [self.operation.done % {"count": 0, **words}]


def perform(operation: Operation, ids: Iterable[int], *, by: Operator) -> Result:
    """Change those of the named deliveries that can be changed; the others are left as they are and counted."""
    named = sorted(set(ids))
    there = possible(named)
    batches = [there[start : start + _BATCH] for start in range(0, len(there), _BATCH)]
    changed = [one for batch in batches for one in _perform_batch(operation, batch, by)]
    return Result(operation=operation, changed=tuple(changed), refused=len(named) - len(changed))


def perform_on(operation: Operation, selection: Selection, *, by: Operator, limit: int | None = None) -> Result:
    """Change the selected deliveries that can be changed, oldest first, and at most ``limit`` of them.

    What is enqueued meanwhile is left; what changes its state meanwhile is counted as refused.
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
    return selection.rows().filter(operation.condition(operation.to))


def _perform_batch(operation: Operation, ids: list[int], by: Operator) -> list[int]:
    alias = ledger.connection().alias
    rows = Delivery.objects.using(alias).only("emission", "signal", "receiver", "queue").order_by("pk")
    with transaction.atomic(using=alias):
        changed = operation.change(ids, operation.to)
        groups = {said: list(rows.filter(pk__in=group)) for said, group in changed.items() if group}
        for said, group in groups.items():
            by.did(said, group)
    for said, group in groups.items():
        for row in group:
            events.operated(row, operation=operation.name, said=said, by=by.name)
    return sorted(row.pk for group in groups.values() for row in group)


PAUSE_PERMISSION = "signals_app.pause_delivery"  # to pause, and to resume


LONGEST_REASON = 255  # characters
LONGEST_PAUSE = timedelta(days=366)  # of those that have an end


def require_pausable(kind: PauseKind, name: str, *, reason: str = "", until: datetime | None = None) -> None:
    """Raise OperationRefused where there is no such queue or schedule, and no receiver or waiting delivery of that key.

    And for a reason or an end that a pause cannot have.
    """
    if kind == PauseKind.QUEUE:
        QUEUE.require(name)
    elif kind == PauseKind.SCHEDULE:
        SCHEDULE.require(name)
    elif not ledger.awaits(name):
        RECEIVER.require(name)
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise OperationRefused(gettext("A reason is a text of up to %d characters.") % LONGEST_REASON)
    if until and not timezone.now() < until <= timezone.now() + LONGEST_PAUSE:
        raise OperationRefused(
            gettext("A pause ends in the future and within a year. Leave its end out if you do not know it.")
        )


# whether it was to be paused, and whether that changed anything -> what to tell the operator
_PAUSED = {
    (True, True): _("The %(kind)s %(name)s is paused."),
    (True, False): _("The %(kind)s %(name)s was paused already."),
    (False, True): _("The %(kind)s %(name)s is resumed."),
    (False, False): _("The %(kind)s %(name)s was not paused."),
}


def set_paused(
    kind: PauseKind, name: str, paused: bool, *, by: Operator, reason: str = "", until: datetime | None = None
) -> tuple[bool, str]:
    """Pause or resume one; return whether that changed anything, and what to tell the operator.

    Raises OperationRefused where what is to be paused does not exist, and for a reason or an end that it cannot have.
    """
    if paused:
        require_pausable(kind, name, reason=reason, until=until)
    pauses = Pause.objects.using(ledger.connection().alias).filter(kind=kind, name=name)
    with transaction.atomic(using=pauses.db):
        before = list(pauses)
        if paused:
            changed = ledger.pause(kind, name, by=by.name, reason=reason, until=until)
        else:
            changed = ledger.resume(kind, name)
        if changed:
            by.did(gettext("Paused.") if paused else gettext("Resumed."), before or pauses.all())
    if changed:
        said = pause_words(Pause(by=by.name, reason=reason, until=until))
        logger.warning("The %s %s is %s %s.", kind.label, name, "paused" if paused else "resumed", said)
    return changed, _PAUSED[paused, changed] % {"kind": kind.label, "name": name}
