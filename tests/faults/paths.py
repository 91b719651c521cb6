"""Every path of a delivery through the ledger, as steps that a process may die in the middle of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.dispatcher import QueuedReceiver
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, Pause, PauseKind, State
from signals_app.processes.identity import current_process, is_dead
from signals_app.worker import loop
from signals_app.worker.isolation import Isolation
from tests.cluster import wait_until
from tests.faults.receivers.effects import effect, fails_at_first
from tests.faults.receivers.references import may_do_without
from tests.faults.receivers.slow import takes_long, takes_long_outside
from tests.forks import in_child
from tests.testapp.models import Thing
from tests.testapp.receivers import enqueue

OLD = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What is there before, and the step that may be broken off; both take the name of a queue of their own."""

    prepare: Callable[[str], object]
    step: Callable[[str], object]


def put(queue: str, to: QueuedReceiver = effect, *, arguments: dict[str, Any] | None = None, **columns: Any) -> int:
    """Hand off into a queue, with other columns than it would have; return the id."""
    delivery = enqueue(to, **(arguments or {}))
    Delivery.objects.filter(pk=delivery.pk).update(queue=queue, **columns)
    return delivery.id


def claim(queue: str, limit: int = 1) -> list[ledger.ClaimedDelivery]:
    return ledger.claim(queue, owner=str(current_process()), limit=limit, lease=30)


def ids(queue: str) -> list[int]:
    return list(Delivery.objects.filter(queue=queue).values_list("pk", flat=True))


def nothing(queue: str) -> None:
    """There is nothing before."""


def hand_off_with_a_row(queue: str) -> None:
    with transaction.atomic():
        Thing.objects.create(name=queue)
        enqueue(effect, name=queue)


def put_what_is_missing(queue: str) -> None:
    lamp = Thing.objects.create(name="a lamp that goes")
    put(queue, may_do_without, arguments={"thing": lamp})
    lamp.delete()


def put_without_a_pause(queue: str, to: QueuedReceiver = effect) -> None:
    Pause.objects.all().delete()
    put(queue, to)


def put_two_that_a_dead_process_holds(queue: str, **columns: Any) -> None:
    put(queue, **columns)
    put(queue, **columns)
    in_child(lambda: claim(queue, limit=2))


def put_one_that_is_old(queue: str) -> None:
    finished = timezone.now() - OLD
    one = put(queue, state=State.CANCELLED, attempts=1, finished_at=finished)
    Attempt.objects.create(delivery_id=one, number=1, outcome=Outcome.LOST, finished_at=finished)


def run_the_first_of_two(queue: str) -> None:
    loop._run_all(claim(queue, limit=2), Isolation())


def claim_ahead(queue: str) -> None:
    ahead = ledger.Ahead(until=math.inf)  # as after a slow claim, with nothing there
    ledger.claim(queue, owner=str(current_process()), limit=1, lease=30, ahead=ahead)


def beat(queue: str) -> None:
    (claimed,) = claim(queue)
    ledger.renew(claimed, lease=30)
    ledger.report_progress(claimed, done=1, total=2)


def give_back_unstarted(queue: str) -> None:
    first, _ = claim(queue, limit=2)
    ledger.give_back_unstarted(queue, owner=first.owner, begun=[(first.id, first.token)])


def come_too_late(queue: str) -> None:
    (claimed,) = claim(queue)
    ledger.recover_lost(queue, is_dead=lambda owner: True)
    end = ledger.Failure(outcome=Outcome.ERROR, state=State.READY, ran=1)
    assert not ledger.record_failure(claimed, end)


def pause_queue(queue: str) -> None:
    ledger.pause(PauseKind.QUEUE, queue)
    ledger.resume(PauseKind.QUEUE, queue)


def pause_receiver(queue: str) -> None:
    ledger.pause(PauseKind.RECEIVER, takes_long.key)
    ledger.park(queue)
    ledger.resume(PauseKind.RECEIVER, takes_long.key)


def do_maintenance(queue: str) -> None:
    ledger.offer_maintenance(queue, first=0, lease=0)
    ledger.offer_maintenance(queue, first=0, lease=0)
    ledger.begin_maintenance(queue, owner="me", lease=30)
    ledger.end_maintenance(queue, owner="me", again=30)


def say_how_it_is(queue: str) -> None:
    ledger.keep_stat(queue, "package", queue=queue, host="here", seconds=3)
    ledger.forget_old_stats()
    ledger.ChangeListener(queue=queue, poll=0.01).wait(0.01)


PATHS = {
    "hand off": Path(prepare=nothing, step=lambda queue: enqueue(effect)),
    "hand off in a transaction": Path(prepare=nothing, step=hand_off_with_a_row),
    "claim, run, complete": Path(prepare=lambda queue: put(queue, takes_long_outside), step=loop.drain),
    "claim, run, complete as one": Path(prepare=put, step=loop.drain),
    "fail and try again": Path(prepare=lambda queue: put(queue, fails_at_first), step=loop.drain),
    "fail for good": Path(prepare=lambda queue: put(queue, fails_at_first, max_attempts=1), step=loop.drain),
    "skip": Path(prepare=put_what_is_missing, step=loop.drain),
    "find no receiver": Path(prepare=lambda queue: put(queue, receiver="nobody.knows"), step=loop.drain),
    "set aside": Path(prepare=lambda queue: put(queue, token=2**31 - 1), step=loop.drain),
    "give back": Path(prepare=lambda queue: [put(queue), put(queue, losses=1)], step=run_the_first_of_two),
    "give back what is in doubt": Path(prepare=lambda queue: [put(queue), put(queue)], step=give_back_unstarted),
    "claim ahead": Path(prepare=put, step=claim_ahead),
    "renew and report": Path(prepare=put, step=beat),
    "rescue": Path(
        prepare=put_two_that_a_dead_process_holds, step=lambda queue: ledger.recover_lost(queue, is_dead=is_dead)
    ),
    "rescue the last attempt": Path(
        prepare=lambda queue: put_two_that_a_dead_process_holds(queue, max_attempts=1),
        step=lambda queue: ledger.recover_lost(queue, is_dead=is_dead),
    ),
    "come too late": Path(prepare=put, step=come_too_late),
    "cancel": Path(prepare=put, step=lambda queue: ledger.cancel(ids(queue))),
    "retry": Path(
        prepare=lambda queue: put(queue, state=State.CANCELLED), step=lambda queue: ledger.retry(ids(queue), attempts=3)
    ),
    "move": Path(prepare=put, step=lambda queue: ledger.move(ids(queue), queue=f"{queue}, moved")),
    "run now": Path(
        prepare=lambda queue: put(queue, due_at=timezone.now() + OLD), step=lambda queue: ledger.run_now(ids(queue))
    ),
    "reassign": Path(
        prepare=lambda queue: put(queue, receiver="nobody.knows", unroutable=True),
        step=lambda queue: ledger.reassign(ids(queue), receiver=effect.key),
    ),
    "pause a queue": Path(prepare=put_without_a_pause, step=pause_queue),
    "pause a receiver": Path(prepare=lambda queue: put_without_a_pause(queue, takes_long), step=pause_receiver),
    "prune": Path(
        prepare=put_one_that_is_old,
        step=lambda queue: [ledger.prune(part, limit=1_000) for part in ledger.expired()],
    ),
    "do maintenance": Path(prepare=nothing, step=do_maintenance),
    "say how it is": Path(prepare=nothing, step=say_how_it_is),
}


def recover() -> None:
    """Do what living clusters and an operator would, until every delivery has ended."""
    for pause in ledger.pauses():
        ledger.resume(PauseKind(pause.kind), pause.name)
    wait_until(_recovered, "the end of every delivery", seconds=120)


def _recovered() -> bool:
    waiting = Delivery.objects.exclude(state__in=FINAL_STATES)
    for queue in set(waiting.values_list("queue", flat=True)):
        ledger.recover_lost(queue, is_dead=is_dead)
        ledger.reassign(ids(queue), receiver=effect.key)
        ledger.run_now(ids(queue))
        loop.drain(queue)
    return not waiting.exists()
