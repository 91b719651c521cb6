"""A process that a receiver forks, in a real cluster: it reaches neither its worker nor the next receiver."""

import pytest

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.testapp import neighbours, receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

STATUSES = {"returns": 0, "exits": 3, "fails": 1, "interrupts": 1, "forks again": 0}


def living(cluster: Cluster) -> list[int]:
    """Return the pids of its processes; one that a receiver did not wait for stays among them when it has ended."""
    return [pid for pid in cluster.family() if is_alive(pid)]


@pytest.mark.parametrize(
    ("receiver", "leaves"),
    [
        *((receiver, True) for receiver in (neighbours.forks, neighbours.forks_atomically)),
        *((neighbours.forks_after_its_commit, True), (neighbours.forks_in_a_coroutine, False)),
    ],
    ids=str,
)
def test_a_forked_child_ends_where_it_leaves_the_receiver(
    cluster: Cluster, receiver: QueuedReceiver, leaves: bool
) -> None:
    family = living(cluster)
    deliveries = [enqueue(receiver, how=how) for how in STATUSES]
    wait_for_end(deliveries)
    assert {(one.state, one.attempts, one.failed_attempts.count()) for one in deliveries} == {(State.SUCCESSFUL, 1, 0)}
    if leaves:
        left = [("parent", str(status)) for status in STATUSES.values()]
        effects = Effect.objects.order_by("delivery_id").values_list("label", "detail")
        wait_until(lambda: list(effects.all()) == left, "what each parent leaves, which may be after its commit")
    assert living(cluster) == family


def test_a_child_that_outlives_its_receiver_ends_as_it_leaves_it(cluster: Cluster) -> None:
    family = living(cluster)
    delivery = enqueue(neighbours.leaves_a_child)
    wait_for_end([delivery])
    child = int(Effect.objects.get().detail)
    others = [enqueue(receivers.work) for _ in range(20)]
    wait_until(lambda: not is_alive(child), "the end of the child")
    wait_for_end(others)
    assert {(one.state, one.attempts) for one in [delivery, *others]} == {(State.SUCCESSFUL, 1)}
    assert living(cluster) == family


def test_a_child_has_a_session_of_its_own(cluster: Cluster) -> None:
    delivery = enqueue(neighbours.has_a_child_write)
    wait_for_end([delivery])
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    assert list(Effect.objects.order_by("id").values_list("label", "detail")) == [
        ("before", ""),
        ("child", ""),
        ("parent", "0"),
    ]


def test_a_receiver_that_needs_processes_is_told_what_to_set(cluster: Cluster) -> None:
    deliveries = [enqueue(neighbours.uses_a_pool), enqueue(neighbours.uses_an_executor)]
    wait_for_end(deliveries)
    for delivery in deliveries:
        end = delivery.failed_attempts.get()
        assert (delivery.state, end.error_class) == (State.FAILED, "builtins.AssertionError")
        assert end.message == (
            'daemonic processes are not allowed to have children. Set Q_CLUSTER["daemonize_workers"] = False, so that '
            "receivers may start processes with multiprocessing, or use concurrent.futures.ThreadPoolExecutor."
        )
        assert end.message.partition(". ")[2] in end.traceback
