"""PostgreSQL's answer is lost at the very statement that decides: what happened is found out, never guessed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Delivery, State
from tests.cluster import Cluster, is_all_done, wait_for_end, wait_until
from tests.faults.harness import Fault, enqueue_many, outcomes, size, stands
from tests.faults.proxy import Proxy
from tests.faults.receivers import bare_effect, effect, waits_at_its_commit
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


@pytest.fixture(scope="module")
def wire(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def far_cluster(wire: Proxy, journal_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one worker at the end of the wire."""
    log = tmp_path_factory.mktemp("cluster") / "log"
    with Cluster(log, DATABASE_URL=wire.url, WORKERS="1", TEST_Q_CLUSTER='{"scheduler": false}') as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def cut_off(own_server: Server, far_cluster: Cluster) -> Cluster:
    """The cluster, on the database of this test."""
    return far_cluster


@pytest.fixture
def standby(own_server: Server) -> Iterator[Callable[[str], None]]:
    """Name the standby that commits wait for; one that is never there has them hang, written but not yet told."""

    def name(standby: str) -> None:
        own_server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        own_server.execute("SELECT pg_reload_conf()")

    yield name
    name("")


def is_waited_for(server: Server, what: str) -> bool:
    query = f"SELECT pid FROM pg_stat_activity WHERE wait_event = '{what}' OR wait_event_type = '{what}'"
    return bool(server.execute(query))


def run(receiver: QueuedReceiver, **arguments: Any) -> Delivery:
    """Hand off, and return when the cluster is through with it: its one worker has turned to the next delivery."""
    delivery = enqueue(receiver, **arguments)
    wait_for_end([delivery], seconds=15)  # less than the lease: nothing waits for it to run out
    wait_for_end(enqueue_many(1), seconds=15)
    return delivery


class CommitOfAnEnd:
    """The commit after an outcome: counters are committed beside it."""

    is_next = False

    def __call__(self, sent: bytes) -> bool:
        self.is_next |= succeeds(sent) or b"UPDATE signals_app_delivery SET state = CAST" in sent
        found = self.is_next and b"Q\x00\x00\x00\x0bCOMMIT\x00" in sent
        self.is_next &= not found
        return found


commits = CommitOfAnEnd()


def claims(sent: bytes) -> bool:
    return b"UPDATE signals_app_delivery SET state = 'RUNNING'" in sent


def succeeds(sent: bytes) -> bool:
    return b"UPDATE signals_app_delivery SET state = 'SUCCESSFUL'" in sent


LOST = [
    # receiver, arguments, the statement, where the connection is lost over it, the failures that are on the record then
    pytest.param(effect, {}, commits, "before", ["ERROR"], id="commit that never came"),
    pytest.param(effect, {}, commits, "answer", [], id="commit's answer"),
    pytest.param(effect, {}, claims, "before", [], id="claim that never came"),
    pytest.param(effect, {}, claims, "answer", [], id="claim's answer"),
    pytest.param(bare_effect, {}, succeeds, "before", [], id="success that never came"),
    pytest.param(bare_effect, {}, succeeds, "answer", [], id="success's answer"),
    pytest.param(bare_effect, {"fail": True}, commits, "before", ["ERROR"], id="failure that never came"),
    pytest.param(bare_effect, {"fail": True}, commits, "answer", ["ERROR"], id="failure's answer"),
]


@pytest.mark.short("postgresql")
@pytest.mark.fault(8, "the connection cut over the statement that decides")
@pytest.mark.parametrize(("receiver", "arguments", "statement", "at", "failures"), LOST)
def test_a_statement_that_costs_its_connection_is_found_out_and_done_once(
    wire: Proxy,
    fault: Fault,
    receiver: QueuedReceiver,
    arguments: dict[str, Any],
    statement: Callable[[bytes], bool],
    at: str,
    failures: list[str],
) -> None:
    ambush = wire.lay(statement, at=at)
    delivery = run(receiver, **arguments)
    assert ambush.is_sprung
    assert (stands(delivery), outcomes(delivery)) == ((State.SUCCESSFUL, len(failures) + 1), failures)
    fault.invariant()


@pytest.mark.fault(8, "pg_terminate_backend at the commit, before it is written")
def test_a_session_that_is_ended_in_its_commit_has_done_nothing(fault: Fault, suicide: None) -> None:
    delivery = run(effect)
    assert stands(delivery) == (State.SUCCESSFUL, 2)
    assert "terminating connection due to administrator command" in delivery.failed_attempts.get().message
    fault.invariant()


@pytest.fixture
def suicide(own_server: Server) -> Iterator[None]:
    """Have a session that commits the effect of a first attempt end itself within that commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON testapp_effect DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW WHEN (new.attempt = 1) EXECUTE FUNCTION die()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION die CASCADE")


@pytest.mark.fault(8, "pg_terminate_backend at the commit, after it is written")
def test_a_session_that_is_ended_when_its_commit_is_written_has_succeeded(
    own_server: Server, fault: Fault, standby: Callable[[str], None]
) -> None:
    standby("nobody")
    delivery = enqueue(waits_at_its_commit)
    wait_until(lambda: is_waited_for(own_server, "SyncRep"), "a commit that waits")
    own_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    run(effect)
    assert (stands(delivery), outcomes(delivery)) == ((State.SUCCESSFUL, 1), [])
    fault.invariant()


@pytest.mark.fault(8, "the connection cut while the server still commits")
def test_a_worker_waits_for_a_commit_that_the_server_is_still_at(
    own_server: Server, wire: Proxy, fault: Fault, standby: Callable[[str], None]
) -> None:
    standby("nobody")
    ambush = wire.lay(commits, at="sent")
    delivery = enqueue(waits_at_its_commit)
    wait_until(
        lambda: is_waited_for(own_server, "SyncRep") and is_waited_for(own_server, "Lock"), "a worker that waits"
    )
    assert ambush.is_sprung
    standby("")
    run(effect)
    assert (stands(delivery), outcomes(delivery)) == ((State.SUCCESSFUL, 1), [])
    fault.invariant()


@pytest.mark.fault(8, "connections reset at random moments")
def test_connections_that_break_at_random_lose_nothing_and_repeat_nothing(
    cut_off: Cluster, wire: Proxy, fault: Fault
) -> None:
    deliveries, resets, chance = size(40, 1_000), size(10, 200), random.Random(8)
    family = cut_off.family()
    enqueue_many(deliveries, before=0.01, after=0.01)
    broken = 0
    while not is_all_done():
        time.sleep(chance.uniform(0.01, 0.2))  # a random moment is what this is about
        if broken < resets:
            wire.reset()
            broken += 1
    ledger = fault.invariant()
    fault.note(resets=broken, deliveries=deliveries, failures=sum(ledger["failed_attempts"].values()))
    assert set(ledger["states"]) == {"SUCCESSFUL"}
    assert cut_off.family() == family
