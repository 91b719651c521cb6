"""Every path of a delivery through the ledger, as steps that a process may die in the middle of."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

from django.db import transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.dispatcher import QueuedReceiver, bulk, registry
from signals_app.models import (
    FINAL_STATES,
    Attempt,
    Batch,
    Bucket,
    Delivery,
    Outcome,
    Pause,
    PauseKind,
    Snapshot,
    State,
)
from signals_app.processes.identity import current_process, is_dead
from signals_app.worker import attempt, loop
from signals_app.worker.isolation import Isolation
from tests.cluster import wait_until
from tests.faults.receivers import (
    bare_effect,
    blocks_at_first,
    effect,
    fails_at_first,
    limited,
    may_do_without,
    two_at_a_time,
)
from tests.forks import in_child
from tests.testapp.models import Thing
from tests.testapp.receivers import enqueue

OLD = timedelta(days=400)
EMPTY = '{"sender": null, "arguments": {}}'


class Path(NamedTuple):
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


def put_some_of_a_key(queue: str) -> None:
    """The newest is held by a process that died before it began."""
    put(queue, coalesce_key=queue, waiting_since=timezone.now())
    put(queue, coalesce_key=queue)
    put(queue, coalesce_key=queue, priority=1)
    in_child(lambda: claim(queue))


def nothing(queue: str) -> None:
    """There is nothing before."""


def enqueue_with_a_row(queue: str) -> None:
    with transaction.atomic():
        Thing.objects.create(name=queue)
        enqueue(effect, name=queue)


def enqueue_in_bulk(queue: str) -> None:
    with patch.object(sys.modules[ledger.enqueue.__module__], "BATCH", 2), bulk():
        for number in range(5):
            Thing.objects.create(name=f"{queue} {number}")
            enqueue(effect, name=f"{queue} {number}")


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


def put_two_of_one_bucket(queue: str) -> None:
    for _ in range(2):
        put(queue, limited, arguments={"of": queue})


def put_one_that_is_old(queue: str) -> None:
    finished = timezone.now() - OLD
    Bucket.objects.create(name=queue, used_until=finished)
    one = put(queue, state=State.CANCELLED, attempts=1, finished_at=finished)
    Attempt.objects.create(delivery_id=one, number=1, outcome=Outcome.LOST, finished_at=finished)


def run_the_first_of_two(queue: str) -> None:
    loop._run_all(claim(queue, limit=2), Isolation())


def run_three_together(queue: str) -> None:
    # on whatever machine
    with patch.object(attempt, "QUICK", math.inf), patch.object(attempt, "KEPT", math.inf), patch.dict(attempt._took):
        loop._run_all(claim(queue, limit=3), Isolation())


def put_three_in_a_lane(queue: str, **arguments: Any) -> None:
    put(queue, blocks_at_first, arguments={"lane": queue, **arguments}, max_attempts=1)
    put(queue, blocks_at_first, arguments={"lane": queue})
    put(queue, blocks_at_first, arguments={"lane": queue})


def park_the_rest_of_a_lane(queue: str) -> None:
    first, second = claim(queue, limit=2)
    ledger.park_behind([second], slots=0)
    loop._run_all([first], Isolation(), until=math.inf)


def put_three_of_which_two_run(queue: str) -> None:
    for _ in range(3):
        put(queue, two_at_a_time, lane=queue)


def run_two_at_a_time(queue: str) -> None:
    one, two, three = claim(queue, limit=3)
    ledger.begin_in_lane(two, slots=2)
    ledger.park_behind([three], slots=2)
    loop._run_all([one], Isolation())


def block_and_free(queue: str) -> None:
    loop.drain(queue)
    ledger.free(ids(queue))
    ledger.mend_lanes()
    loop.drain(queue)


def claim_ahead(queue: str) -> None:
    ahead = ledger.Ahead(until=math.inf)  # as after a slow claim, with nothing there
    ledger.claim(queue, owner=str(current_process()), limit=1, lease=30, ahead=ahead)


def beat(queue: str) -> None:
    (claimed,) = claim(queue)
    ledger.renew(claimed, lease=30)
    ledger.report_progress(claimed, done=1, total=2)


def put_off(queue: str) -> None:
    (claimed,) = claim(queue)
    ledger.defer(claimed, delay=60)


def wait_for_quiet(queue: str) -> None:
    (claimed,) = claim(queue)
    assert ledger.coalesce(claimed, lease=30, debounce=60) == (None, 1)


def put_one_whose_turn_comes(queue: str) -> None:
    put(queue, coalesce_key=queue, booked=True, due_at=timezone.now() + timedelta(hours=1))
    put(queue, coalesce_key=queue)


def keep_a_turn(queue: str) -> None:
    (claimed,) = claim(queue)
    assert ledger.coalesce(claimed, lease=30) == (None, 1)


def cancel_a_run(queue: str) -> None:
    (claimed,) = claim(queue)
    ledger.cancel([claimed.id])
    assert not ledger.succeed(claimed, ran=1)


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
    ledger.pause(PauseKind.QUEUE, queue, until=timezone.now())
    ledger.end_pauses()


def pause_receiver(queue: str) -> None:
    ledger.pause(PauseKind.RECEIVER, fails_at_first.key)
    ledger.park(queue)
    ledger.resume(PauseKind.RECEIVER, fails_at_first.key)


def do_maintenance(queue: str) -> None:
    ledger.offer_maintenance(queue, first=0, lease=0)
    ledger.offer_maintenance(queue, first=0, lease=0)
    ledger.begin_maintenance(queue, owner="me", lease=30)
    ledger.end_maintenance(queue, owner="me", again=30)


def tick(queue: str) -> None:
    now = ledger.now()
    for definition in ("before", "after", "after"):
        ledger.enter_schedule(queue, definition, first=now, now=now, replaces=True)
    with transaction.atomic():
        assert ledger.move_schedule(queue, "after", since=now, to=now + OLD)
        enqueue(effect)


def say_how_it_is(queue: str) -> None:
    ledger.keep_stat(queue, "package", queue=queue, host="here", seconds=3)
    ledger.forget_old_stats()
    ledger.wake(queue)
    ledger.ChangeListener(queue=queue, poll=0.01).wait(0.01)


def recover_lost(queue: str) -> None:
    may_wait = lambda claimed: attempt.may_wait(claimed, registry.get(claimed.receiver))  # noqa: E731
    ledger.recover_lost(queue, is_dead=is_dead, may_wait=may_wait)


def prune(queue: str) -> None:
    for part in ledger.expired():
        ledger.prune(part, limit=1_000)
    ledger.prune_buckets(limit=1_000)


def put_a_batch(queue: str, members: int = 2, *, receiver: QueuedReceiver = bare_effect) -> int:
    """Begin and close a batch within another, whose members wait in the queue; return its id."""
    arguments: dict[str, Any] = {"signal": "tests.testapp.signals.batch_settled", "payload": EMPTY, "max_attempts": 9}
    outer = ledger.begin_batch(ledger.NewBatch(queue=queue, **arguments))
    inner = ledger.begin_batch(ledger.NewBatch(queue=queue, parent=outer, **arguments))
    for _ in range(members):
        put(queue, receiver, batch=inner)
    ledger.close_batch(inner)
    ledger.close_batch(outer)
    return inner


def begin_batch(queue: str) -> None:
    put_a_batch(queue, 1)
    abandoned = ledger.begin_batch(
        ledger.NewBatch(queue=queue, signal="tests.testapp.signals.batch_settled", payload=EMPTY, max_attempts=9)
    )
    ledger.abandon_batch(abandoned)


def let_batches_age(queue: str) -> None:
    """A watched member of one was removed, a send of another has raised; a third is to be pruned."""
    put_a_batch(queue)
    Delivery.objects.filter(queue=queue, watched=True).delete()
    ledger.begin_batch(
        ledger.NewBatch(queue=queue, signal="sent", payload=EMPTY, max_attempts=9), emission=ledger.new_emission()
    )
    loop.drain(queue)
    Batch.objects.filter(queue=queue).update(created_at=timezone.now() - OLD)
    pruned = ledger.begin_batch(ledger.NewBatch(queue=queue, signal="sent", payload=EMPTY, max_attempts=9))
    Batch.objects.filter(pk=pruned).update(settled_at=timezone.now() - OLD)


def mend_batches(queue: str) -> None:
    ledger.mend_batches()
    ledger.prune_batches()


PATHS = {
    "enqueue": Path(nothing, lambda queue: enqueue(effect)),
    "enqueue in a transaction": Path(nothing, enqueue_with_a_row),
    "enqueue in bulk": Path(nothing, enqueue_in_bulk),
    "claim, run, complete": Path(lambda queue: put(queue, bare_effect), loop.drain),
    "claim, run, complete as one": Path(put, loop.drain),
    "claim, run, complete together": Path(
        lambda queue: [put(queue, bare_effect) for _ in range(3)], run_three_together
    ),
    "fail and try again": Path(lambda queue: put(queue, fails_at_first), loop.drain),
    "fail for good": Path(lambda queue: put(queue, fails_at_first, max_attempts=1), loop.drain),
    "skip": Path(put_what_is_missing, loop.drain),
    "find no receiver": Path(lambda queue: put(queue, receiver="nobody.knows"), loop.drain),
    "set aside": Path(lambda queue: put(queue, token=2**31 - 1), loop.drain),
    "put off": Path(put, put_off),
    "take a turn, and wait for one": Path(put_two_of_one_bucket, loop.drain),
    "merge": Path(put_some_of_a_key, loop.drain),
    "merge and wait": Path(
        lambda queue: [
            put(queue, coalesce_key=queue),
            put(queue, coalesce_key=queue, due_at=timezone.now() + timedelta(hours=1)),
        ],
        wait_for_quiet,
    ),
    "merge and keep a turn": Path(put_one_whose_turn_comes, keep_a_turn),
    "give back": Path(lambda queue: [put(queue), put(queue, losses=1)], run_the_first_of_two),
    "give back what is uncertain": Path(lambda queue: [put(queue), put(queue)], give_back_unstarted),
    "park in a lane": Path(put_three_in_a_lane, park_the_rest_of_a_lane),
    "hand a lane on": Path(put_three_in_a_lane, run_the_first_of_two),
    "block a lane and free it": Path(lambda queue: put_three_in_a_lane(queue, fail=True), block_and_free),
    "two at a time": Path(put_three_of_which_two_run, run_two_at_a_time),
    "claim ahead": Path(put, claim_ahead),
    "renew and report": Path(put, beat),
    "recover": Path(put_two_that_a_dead_process_holds, recover_lost),
    "recover the last attempt": Path(
        lambda queue: put_two_that_a_dead_process_holds(queue, max_attempts=1), recover_lost
    ),
    "come too late": Path(put, come_too_late),
    "cancel": Path(put, lambda queue: ledger.cancel(ids(queue))),
    "cancel a run": Path(put, cancel_a_run),
    "retry": Path(lambda queue: put(queue, state=State.CANCELLED), lambda queue: ledger.retry(ids(queue), attempts=3)),
    "move": Path(put, lambda queue: ledger.move(ids(queue), queue=f"{queue}, moved")),
    "run now": Path(lambda queue: put(queue, due_at=timezone.now() + OLD), lambda queue: ledger.run_now(ids(queue))),
    "reassign": Path(
        lambda queue: put(queue, receiver="nobody.knows", unroutable=True),
        lambda queue: ledger.reassign(ids(queue), receiver=effect.key),
    ),
    "pause a queue": Path(put_without_a_pause, pause_queue),
    "pause a receiver": Path(lambda queue: put_without_a_pause(queue, fails_at_first), pause_receiver),
    "prune": Path(put_one_that_is_old, prune),
    "begin and close a batch": Path(nothing, begin_batch),
    "end the members of a batch": Path(put_a_batch, loop.drain),
    "fail the members of a batch": Path(lambda queue: put_a_batch(queue, receiver=fails_at_first), loop.drain),
    "mend and prune batches": Path(let_batches_age, mend_batches),
    "tick": Path(nothing, tick),
    "do maintenance": Path(nothing, do_maintenance),
    "say how it is": Path(nothing, say_how_it_is),
    "keep totals": Path(lambda queue: Snapshot.objects.all().delete(), lambda queue: ledger.take_snapshot()),
}


def recover() -> None:
    """Do what living clusters and an operator would, until every delivery has ended."""
    for pause in ledger.pauses():
        ledger.resume(PauseKind(pause.kind), pause.name)
    wait_until(_recovered, "the end of every delivery", seconds=120)


def _recovered() -> bool:
    ledger.mend_batches()
    ledger.free(Delivery.objects.filter(state=State.FAILED, blocks_lane=True).values_list("pk", flat=True))
    waiting = Delivery.objects.exclude(state__in=FINAL_STATES)
    for queue in set(waiting.values_list("queue", flat=True)):
        recover_lost(queue)
        ledger.reassign(ids(queue), receiver=effect.key)
        ledger.run_now(ids(queue))
        loop.drain(queue)
    return not waiting.exists()
