"""A PostgreSQL that crashes, is read-only for a while, or wants another password."""

import random
import time
from collections.abc import Iterator

import pytest
from django.db import Error, connection

from signals_app import ledger
from signals_app.ledger import claims
from signals_app.models import Attempt, Delivery, State
from signals_app.monitoring.health import look
from tests.cluster import is_all_done, wait_for_all, wait_for_end, wait_until
from tests.faults.harness import Fault, enqueue_many, signals_app, size, stands
from tests.faults.receivers import effect
from tests.faults.server import Server
from tests.signals_app.ledger.acts import claim
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]

IMPATIENT = signals_app(STALL=3)


@pytest.fixture
def asking_server(own_server: Server) -> Iterator[Server]:
    """A server with a role, shop, that has to say a password."""
    rules = own_server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all shop 127.0.0.1/32 scram-sha-256\n{before}")
    own_server.execute("CREATE ROLE shop LOGIN SUPERUSER PASSWORD 'old'")
    own_server.execute("SELECT pg_reload_conf()")
    yield own_server
    own_server.execute("DROP ROLE shop")
    rules.write_text(before)
    own_server.execute("SELECT pg_reload_conf()")


@pytest.mark.fault(8, "the database's password changed")
def test_a_cluster_whose_password_is_old_ends_so_that_its_manager_starts_it_with_the_new_one(
    asking_server: Server, fault: Fault
) -> None:
    url = f"postgres://shop:{{}}@{asking_server.host}:{asking_server.port}/postgres"
    old = fault.cluster(DATABASE_URL=url.format("old"), **IMPATIENT).start()
    wait_for_end(enqueue_many(20))
    asking_server.execute("ALTER ROLE shop PASSWORD 'new'")
    asking_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'")
    deliveries = enqueue_many(20)
    wait_until(lambda: old.status() is not None, "the end of the cluster", seconds=60)
    assert old.status() == 77, old.log.read_text()
    assert "has been refused by the database for" in old.log.read_text()
    assert "The database refuses the logins of" in old.log.read_text()
    old.kill()
    with fault.cluster(DATABASE_URL=url.format("new"), **IMPATIENT):
        wait_for_end(deliveries)
    assert is_all_done()


ALARM = "The queue sigdemo has no living cluster."
NEW_SESSIONS = 'ALTER DATABASE "{}" {} default_transaction_read_only'
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> {}"


@pytest.mark.fault(8, "a server that is read-only for a while")
def test_sessions_that_cannot_write_are_noticed_and_left(own_server: Server, fault: Fault) -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        own = cursor.execute("SELECT pg_backend_pid()").fetchone()[0]
    with fault.cluster(**IMPATIENT) as cluster:
        wait_for_end(enqueue_many(5))
        own_server.execute(NEW_SESSIONS.format(name, "SET") + " = on")
        own_server.execute(OTHERS.format(name, own))
        deliveries = enqueue_many(20)
        wait_until(lambda: ALARM in look().problems(), "an alarm")
        wait_until(lambda: "has had every claim fail for" in cluster.log.read_text(), "an end of it", seconds=60)
        lines = cluster.log.read_text().count("read-only transaction")
        own_server.execute(NEW_SESSIONS.format(name, "RESET"))
        own_server.execute(OTHERS.format(name, own))
        wait_for_end(deliveries, seconds=60)
        wait_until(lambda: ALARM not in look().problems(), "a living cluster")
    fault.note(log_lines=lines)
    assert lines < 200
    assert {(one.state, one.attempts) for one in deliveries} == {(State.SUCCESSFUL, 1)}
    assert not Attempt.objects.exists()


@pytest.mark.fault(8, "PostgreSQL restarted with -m immediate")
def test_a_server_that_crashes_again_and_again_loses_nothing_and_repeats_nothing(
    own_server: Server, fault: Fault
) -> None:
    restarts, chance = size(2, 25), random.Random(8)
    answered: set[int] = set()
    crashes: list[float] = []
    refused = 0
    with fault.cluster() as cluster:
        family = cluster.family()
        for _ in range(restarts):
            refused += enqueue_for(chance.uniform(0.5, 1.5), answered)
            own_server.stop("immediate")
            crashes.append(time.time())
            refused += enqueue_for(chance.uniform(0, 1), answered)
            crashes.append(time.time())  # what was claimed before may have begun meanwhile
            own_server.start()
        refused += enqueue_for(0.5, answered)
        wait_for_all(seconds=120)
        assert cluster.family()[:2] == family[:2]  # main and sentinel
    asked = fault.invariant(crashes=crashes)
    ran = len(fault.journal.read_text().splitlines())
    errors, lost = (asked["failed_attempts"].get(outcome, 0) for outcome in ("ERROR", "LOST"))
    fault.note(restarts=restarts, deliveries=len(answered), sends_refused=refused)
    fault.note(errors_on_the_record=errors, lost_attempts=lost, attempts_forgotten=ran - asked["begun"])
    assert set(asked["states"]) == {"SUCCESSFUL"}
    assert answered <= set(Delivery.objects.values_list("id", flat=True))


@pytest.mark.fault(8, "claims that a crash of PostgreSQL takes back")
def test_a_claim_that_a_crash_takes_back_is_made_again_and_those_that_follow_it_are_kept(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_session", claims._Session())  # as of a process that has not claimed yet
    own_server.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")  # as soon as it writes, nothing is lost
    own_server.stop()
    own_server.start()
    connection.close()
    delivery = enqueue(effect)
    (forgotten,) = claim("before")
    assert stands(delivery) == (State.RUNNING, 1)
    crash(own_server)
    assert stands(delivery) == (State.READY, 0)
    (kept,) = claim("after")
    assert (kept.attempt, kept.token) == (forgotten.attempt, forgotten.token)
    assert not ledger.succeed(forgotten, ran=0)
    crash(own_server)
    assert stands(delivery) == (State.RUNNING, 1)
    assert ledger.succeed(kept, ran=0)
    own_server.execute("ALTER SYSTEM RESET wal_writer_delay")


def crash(server: Server) -> None:
    server.stop("immediate")
    server.start()
    connection.close()


def enqueue_for(seconds: float, answered: set[int]) -> int:
    """Hand off for some time, as a web server would; note what was committed, and return how often it was refused."""
    end, refused = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            (delivery,) = enqueue_many(1, before=0.02, after=0.02)
            answered.add(delivery.id)
        except Error:
            refused += 1
            connection.close()
        time.sleep(0.02)
    return refused
