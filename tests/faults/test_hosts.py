"""Several clusters on one PostgreSQL: their clocks differ, one loses its database, one the network.

They share the work, and nothing of it is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from signals_app import ledger
from signals_app.cluster import broker, supervisor
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, is_alive, wait_for_all, wait_for_end, wait_until
from tests.faults import network
from tests.faults.harness import FULL, Fault, enqueue_many, outcomes, run_one, signals_app, size, stands
from tests.faults.network import Host, Switch
from tests.faults.proxy import Proxy
from tests.faults.receivers import bare_effect, effect, fails_at_first, gated_inside
from tests.faults.server import Server
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.database("postgresql"),
    pytest.mark.usefixtures("own_server"),
]

HOUR = 3600
LEASE = size(2, 30)  # seconds
STOP_WITHIN = size(2, 10)


@pytest.mark.fault(16, "clusters whose clocks are an hour ahead and behind")
def test_hosts_whose_clocks_are_wrong_steal_nothing_and_run_nothing_early(fault: Fault) -> None:
    clusters = [fault.cluster(WORKERS="1", TEST_CLOCK_SHIFT=str(shift)) for shift in (HOUR, -HOUR, 0)]
    with transaction.atomic():
        not_due = enqueue(effect)
        Delivery.objects.filter(pk=not_due.pk).update(due_at=timezone.now() + timedelta(seconds=HOUR / 2))
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        for cluster in clusters:
            stack.callback(cluster.kill)
        list(pool.map(Cluster.start, clusters[:2]))
        failing = enqueue_many(4, fails_at_first)
        wait_for_end(failing)  # its second attempt is due by the clock of the database
        clusters[2].start()
        held = [fault.hold(bare_effect, gate=True) for _ in clusters]
        time.sleep(3 * broker.LOOK)  # each pusher looks for expired leases meanwhile, and two find all of them so
        for delivery in held:
            fault.let_go(delivery)
        wait_for_end(held)
        list(pool.map(Cluster.stop, clusters))
    told = [datetime.fromisoformat(effect.detail) for effect in Effect.objects.exclude(detail="")]
    assert len(told) == len(failing)
    assert all(HOUR - 60 < abs((timezone.now() - moment).total_seconds()) < HOUR + 60 for moment in told)
    assert stands(not_due) == (State.READY, 0)
    assert [delivery.attempts for delivery in held] == [1] * len(held)
    ends = list(Attempt.objects.all())
    assert [end.outcome for end in ends] == [Outcome.ERROR] * len(failing)
    assert all(abs(end.finished_at - timezone.now()) < timedelta(minutes=1) for end in ends)
    ledger.cancel([not_due.id])
    fault.note(deliveries=sum(fault.invariant()["states"].values()))


@pytest.mark.fault(15, "two and then four clusters on one PostgreSQL")
def test_clusters_share_the_work_of_one_database(fault: Fault) -> None:
    tenth = size(10, 250)
    clusters = [fault.cluster() for _ in range(4)]
    with ExitStack() as stack, ThreadPoolExecutor(len(clusters)) as pool:
        for cluster in clusters:
            stack.callback(cluster.kill)
        for joining in clusters[:2], clusters[2:]:
            list(pool.map(Cluster.start, joining))
            with transaction.atomic():
                enqueue_many(tenth, fails_at_first)
                enqueue_many(9 * tenth)
            wait_for_all(seconds=300)
        shares = shares_of(clusters)
        family = [pid for cluster in clusters for pid in cluster.family()]
        list(pool.map(Cluster.stop, clusters))
    asked = fault.invariant(family=family)
    fault.note(deliveries=20 * tenth, of_them_by_each_cluster="+".join(map(str, shares)))
    assert (asked["states"], asked["failed_attempts"]) == ({"SUCCESSFUL": 20 * tenth}, {"ERROR": 2 * tenth})
    assert all(shares)


def shares_of(clusters: list[Cluster]) -> list[int]:
    owners = map(ProcessIdentity.parse, Delivery.objects.values_list("owner", flat=True))
    pids = [owner.pid for owner in owners if owner]
    return [sum(pid in family for pid in pids) for family in (cluster.family() for cluster in clusters)]


@pytest.mark.fault(15, "a cluster cut off for longer than its lease, and healed")
def test_what_a_cluster_did_while_it_was_cut_off_does_not_count(own_server: Server, fault: Fault) -> None:
    settings = signals_app(LEASE=LEASE, HEARTBEAT=1, STOP_WITHIN=STOP_WITHIN)
    with Proxy(own_server.port) as wire, fault.cluster(DATABASE_URL=wire.url, **settings) as far:
        family = far.family()
        held = cut_at_work(wire, fault)
        rest = enqueue_many(size(20, 500), before=0.01)
        with fault.cluster(**settings):
            wait_for_end([*held, *rest], seconds=LEASE + 30)
            assert list(map(outcomes, held)) == [[Outcome.LOST]] * 2
            wire.heal()
            too_late = [[Outcome.LOST, Outcome.STALE]] * 2
            wait_until(lambda: list(map(outcomes, held)) == too_late, "what came too late")
        run_one()  # by the far cluster, for the near one is gone
        assert far.family() == family
        assert set(fault.invariant()["states"]) == {"SUCCESSFUL"}
        fault.note(deliveries=len(held) + len(rest), stale=len(held))

        cut_at_work(wire, fault)
        time.sleep(2 * supervisor.LOOK + 1)  # by then its supervisor has asked the database something, and waits
        assert far.stop(seconds=STOP_WITHIN + 10) == 0
        assert not any(map(is_alive, family))


def cut_at_work(wire: Proxy, fault: Fault) -> list[Delivery]:
    """Cut a cluster off while each of its two workers runs a delivery, which ends then."""
    held = [fault.hold(bare_effect, gate=True) for _ in range(2)]
    wire.cut()
    for delivery in held:
        fault.let_go(delivery)
    return held


# at full size the defaults of the app, of the site and of docs/how-to/postgresql.md, which take half a minute
OPTIONS = "" if FULL else "?connect_timeout=2&keepalives_idle=1&keepalives_interval=1&tcp_user_timeout=2000"
SETTINGS = {} if FULL else signals_app(LEASE=4, HEARTBEAT=1)
ROLE = {
    "tcp_keepalives_idle": size(1, 10),
    "tcp_keepalives_interval": size(1, 5),
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": f"{size(3, 30)}s",
}
NOTICED = size(4, 30)  # seconds, of the lease and of the lost network


@pytest.fixture
def lan(own_server: Server) -> Iterator[Switch]:
    """A network on which the database server can be reached."""
    with network.switch(own_server.port) as switch:
        own_server.listen(switch.address, str(switch.network))
        for name, value in ROLE.items():
            own_server.execute(f"ALTER ROLE postgres SET {name} = '{value}'")
        yield switch
    for name in ROLE:
        own_server.execute(f"ALTER ROLE postgres RESET {name}")


@pytest.mark.fault(15, "hosts on a network, one cut off and healed")
def test_the_work_of_a_host_without_network_is_done_by_another_until_it_is_back(
    own_server: Server, lan: Switch, fault: Fault
) -> None:
    url = f"postgres://postgres@{lan.address}:{own_server.port}/postgres{OPTIONS}"
    far_host, near_host = lan.add_host(), lan.add_host()
    far, near = (fault.cluster(within=host.within, DATABASE_URL=url, **SETTINGS) for host in (far_host, near_host))
    with ExitStack() as stack:
        stack.enter_context(far)
        held = [fault.hold(bare_effect, gate=True), fault.hold(gated_inside, lock=True)]  # one for each worker
        stack.enter_context(near)
        families = far.family(), near.family()
        rest = enqueue_many(size(30, 2_000), before=0.01)
        far_host.pull_cable()
        began = time.monotonic()
        for delivery in held:
            fault.let_go(delivery)
        wait_for_end(held, seconds=2 * NOTICED + 10)
        fault.note(s_until_another_host_had_done_what_the_cut_off_one_held=time.monotonic() - began)
        wait_for_all(seconds=120)
        assert not Delivery.objects.exclude(owner__startswith=f"{near_host.name}/").exists()
        far_host.plug_in()
        began = time.monotonic()
        wait_until(lambda: is_given_work(far_host), "work on the host", seconds=NOTICED + 30)
        fault.note(s_until_the_cut_off_host_worked_again=time.monotonic() - began)
        wait_for_all()
        assert (far.family(), near.family()) == families
    asked = fault.invariant()
    fault.note(deliveries=len(held) + len(rest), stale=asked["failed_attempts"].get("STALE", 0))
    assert set(asked["states"]) == {"SUCCESSFUL"}


def is_given_work(host: Host) -> bool:
    """Hand off once more, and tell whether a worker of the host has taken anything yet."""
    enqueue(effect)
    return Delivery.objects.filter(owner__startswith=f"{host.name}/").exists()
