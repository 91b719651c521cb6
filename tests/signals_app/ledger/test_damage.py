"""Rows that somebody forged or a fault damaged: each is set aside by itself, in view, and its neighbours run."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Attempt, Delivery, State
from signals_app.processes.identity import current_process, is_dead
from signals_app.worker.loop import drain
from tests.signals_app.ledger.acts import claim, put

pytestmark = [pytest.mark.django_db, pytest.mark.database]

HERE = current_process()
BEYOND = f"{HERE.host}/{HERE.boot}/99999999999999/1"  # no kernel has such a pid
COLUMNS = [field.attname for field in Delivery._meta.concrete_fields if field.attname not in ("id", "queue")]
# of no, one or several types; each database takes those that it can store
VALUES: list[Any] = [
    None, "", "x", "zz", "high", "infinity", "-infinity", "10000-01-01", "0044-03-15 BC", "2026-11-27 junk",
    "a\0b", b"blob", -1, 0, 7, 32767, 2**31 - 1, 2**31 - 2, 2**63 - 1, 1.5, 1e300, BEYOND, f"{HERE.host}//0/1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def anything_goes() -> Iterator[None]:
    """Let SQLite store what its constraints refuse, as a damaged file may hold."""
    ignoring = "PRAGMA ignore_check_constraints = "
    if connection.vendor == "sqlite":
        connection.cursor().execute(f"{ignoring} ON")
    yield
    if connection.vendor == "sqlite":
        connection.cursor().execute(f"{ignoring} OFF")


def damage(one: Delivery, **values: Any) -> bool:
    """Write into a row by SQL; False when the database does not take it."""
    if connection.vendor != "sqlite" and any(isinstance(value, bytes) for value in values.values()):
        return False
    # text that is no UTF-8, and not a blob
    marks = {name: "CAST(%s AS TEXT)" if value == b"\xff" else "%s" for name, value in values.items()}
    assignments = ", ".join(f"{name} = {mark}" for name, mark in marks.items())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE signals_app_delivery SET {assignments} WHERE id = %s", [*values.values(), one.pk])
    except (DatabaseError, ValueError, OverflowError):
        return False
    return True


def state_of(one: Delivery) -> str:
    return str(Delivery.objects.values_list("state", flat=True).get(pk=one.pk))


def recover_lost() -> ledger.Recovered:
    return ledger.recover_lost(conf.queue, is_dead=is_dead)


def run_all() -> None:
    """Do what a cluster does, until it finds nothing more to do."""
    for _ in range(4):
        ledger.due(conf.queue, limit=10)  # all that a pusher asks, and whoever watches
        ledger.seconds_to_first(conf.queue)
        ledger.park(conf.queue)
        ledger.oldest_waits()
        ledger.current_stats()
        recover_lost()
        drain(conf.queue)


def assert_set_aside(one: Delivery, *said: str) -> None:
    assert state_of(one) == State.FAILED
    record = Attempt.objects.get(delivery=one)
    assert record.error_class == "signals_app.exceptions.PayloadError"
    for text in said:
        assert text in record.message
    Delivery.objects.get(pk=one.pk)  # can be read as any other


def claimed_apart() -> tuple[Delivery, Delivery]:
    """Return two deliveries, each of a claim of its own, whose leases have run out."""
    one, other = put(), put()
    for each in (one, other):
        (taken,) = claim(f"elsewhere/{each.pk}/1/1", limit=1, lease=-1)
        assert taken.id == each.pk
    return one, other


READY: list[dict[str, Any]] = [
    {"due_at": "0001-06-01"},
    {"priority": 100, "attempts": 2**31 - 1},
    {"priority": 100, "token": 2**31 - 1},
]
OF_SQLITE = pytest.mark.database("sqlite")  # PostgreSQL stores no such values
READY_OF_SQLITE: list[dict[str, Any]] = [
    {"emission": "zz"}, {"due_at": ""}, {"priority": "high"}, {"payload": b"blob"}, {"max_attempts": "x"},
    {"token": 2**63 - 1}, {"losses": "x"}, {"due_at": 5}, {"receiver": b"blob"},
    {"due_at": "2024-01-01 00:00:00+00:00"},
]  # fmt: skip


@pytest.mark.parametrize("values", [*READY, *(pytest.param(one, marks=OF_SQLITE) for one in READY_OF_SQLITE)], ids=str)
def test_a_row_that_cannot_be_read_is_set_aside_at_its_claim_and_its_neighbours_run(values: dict[str, Any]) -> None:
    first, one, last = put(), put(), put()
    assert damage(one, **values)
    run_all()
    assert (state_of(first), state_of(last)) == (State.SUCCESSFUL, State.SUCCESSFUL)
    assert_set_aside(one, "This row could not be read and was set aside", list(values)[-1])


@pytest.mark.django_db(transaction=True)
@OF_SQLITE
@pytest.mark.parametrize("column", ["signal", "payload", "receiver", "trace", "emission", "attempts", "owner"])
@pytest.mark.parametrize("is_running", [False, True])
def test_text_that_is_no_utf_8_is_set_aside_though_no_row_of_its_claim_can_be_read(
    column: str, is_running: bool
) -> None:
    first, one, last = put(), put(), put()
    if is_running:
        claim("elsewhere/b/1/1", lease=-1)
    assert damage(one, **{column: b"\xff"})
    for _ in range(5):
        recover_lost()
        drain(conf.queue)
    assert (state_of(first), state_of(last)) == (State.SUCCESSFUL, State.SUCCESSFUL)
    if column in ("attempts", "owner") and not is_running:
        return  # the claim writes it anew
    assert_set_aside(one, column)


RUNNING: list[dict[str, Any]] = [
    {"owner": BEYOND}, {"started_at": None}, {"started_at": "infinity"}, {"started_at": "-infinity"},
    {"lease_until": None, "owner": "nobody"}, {"lease_until": "infinity", "owner": "nobody"},
    {"due_at": "-infinity"}, {"attempts": 2**31 - 1}, {"attempts": 0}, {"losses": 2**31 - 1},
]  # fmt: skip
RUNNING_OF_SQLITE: list[dict[str, Any]] = [{"owner": b"blob"}, {"owner": b"\xff"}, {"lease_until": "x", "owner": ""}]


@pytest.mark.parametrize(
    "values", [*RUNNING, *(pytest.param(one, marks=OF_SQLITE) for one in RUNNING_OF_SQLITE)], ids=str
)
def test_what_seems_to_run_and_cannot_be_read_keeps_nobody_from_being_rescued(values: dict[str, Any]) -> None:
    one, other = claimed_apart()
    assert damage(one, **values)
    assert other.pk in {lost.claimed.id for lost in recover_lost().lost}
    recover_lost()
    run_all()
    assert state_of(other) == State.SUCCESSFUL
    assert state_of(one) in (State.SUCCESSFUL, State.FAILED)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_stands_in_any_column_the_neighbours_run(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        broken = [put() for _ in range(6)]
        whole = [put() for _ in range(3)]
        if chance.random() < 0.5:
            claim("elsewhere/b/1/1", limit=chance.randrange(1, 9), lease=-1)
        damaged = []
        for one in broken:
            values = {name: chance.choice(VALUES) for name in chance.sample(COLUMNS, chance.choice([1, 1, 2, 3]))}
            damaged.append((one.pk, values, damage(one, **values)))
        run_all()
        run_all()
        assert {state_of(one) for one in whole} == {State.SUCCESSFUL}, damaged
        Attempt.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM signals_app_delivery")


def test_what_stands_in_a_running_row_keeps_no_neighbour_from_being_cancelled() -> None:
    for name in ("attempts", "token", "owner", "started_at", "lease_until"):
        for value in VALUES:
            one, other = claimed_apart()
            damage(one, **{name: value})
            assert ledger.cancel([one.pk, other.pk]) == [one.pk, other.pk], (name, value)


def test_more_attempts_than_fit_keep_no_neighbour_from_being_retried() -> None:
    one, other = put(), put()
    ledger.cancel([one.pk, other.pk])
    assert damage(one, attempts=2**31 - 1)
    assert ledger.retry([one.pk, other.pk], attempts=5) == [one.pk, other.pk]
    run_all()
    assert state_of(other) == State.SUCCESSFUL
    assert_set_aside(one, "attempts was 2147483647")


@pytest.mark.parametrize(
    "next_at", ["infinity", "9999-01-01", *(pytest.param(one, marks=OF_SQLITE) for one in ("", b"blob"))]
)
def test_a_maintenance_task_is_due_again_whatever_stands_for_its_next_time(next_at: Any) -> None:
    assert not ledger.offer_maintenance("prune", first=0, lease=60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE signals_app_maintenancetask SET next_at = %s, owner = 'x'", [next_at])
    assert ledger.offer_maintenance("prune", first=0, lease=60)
    assert ledger.begin_maintenance("prune", owner="me", lease=60)
