"""Sends whose deliveries are written together: nothing but the number of statements tells them from single ones."""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import Error, InternalError, connection, transaction
from django.db.models import F
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal
from django.forms.models import model_to_dict
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, bulk, send_each, send_for
from signals_app.exceptions import PayloadError
from signals_app.ledger import sql
from signals_app.models import Delivery, IdleQueue
from tests.signals_app.listeners import asynchronous, first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()
savepoint_create = getattr(transaction, "savepoint_create", None) or transaction.savepoint  # renamed by Django 6.1

WAYS: dict[str, Callable[..., list[tuple[Any, Any]]]] = {
    "send": announced.send,
    "send_robust": announced.send_robust,
    "asend": async_to_sync(announced.asend),
    "asend_robust": async_to_sync(announced.asend_robust),
}
Make = Callable[..., QueuedReceiver]
ENQUEUE = "signals_app.ledger.enqueue"


class Undone(Exception):
    """Rolls a block back."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let statements write three at a time."""
    for module in (ENQUEUE, "signals_app.dispatcher.bulk"):
        monkeypatch.setattr(sys.modules[module], "BATCH", 3)


def names() -> list[str]:
    return [json.loads(one.payload)["arguments"]["name"] for one in written()]


def seen_elsewhere() -> int:
    """Return how many deliveries another connection sees."""

    def look() -> int:
        with closing(connection):
            return Delivery.objects.count()

    with ThreadPoolExecutor() as pool:
        return pool.submit(look).result()


@pytest.mark.parametrize("has_zones", [True, False], ids=["USE_TZ", "naive times"])
@pytest.mark.parametrize("way", WAYS)
def test_each_send_returns_its_delivery_which_is_complete_after_the_block(
    way: str, has_zones: bool, made: Make
) -> None:
    later = made(second.func, key="later", delay=3600.5, queue="elsewhere", priority=-2)
    with override_settings(USE_TZ=has_zones, TIME_ZONE="Asia/Tokyo"), listening(announced, first, later, asynchronous):
        with bulk():
            results = [WAYS[way](sender=Thing, name="Zoë 🎈", at=number) for number in range(3)]
            sent = [delivery for result in results for _, delivery in result]
        rows = written()
        assert [model_to_dict(one) for one in sent] == [model_to_dict(row) for row in rows]
        for one, row in zip(sent, rows, strict=True):
            assert (one.due_at, one.enqueued_at, one.pk) == (row.due_at, row.enqueued_at, row.pk)
            assert row.due_at - row.enqueued_at == timedelta(seconds=3600.5 if one.receiver == "later" else 0)
            assert (one._state.adding, one._state.db) == (False, "default")
        WAYS[way](sender=Thing, name="Zoë 🎈", at=0)
        own = {"id", "emission", "due_at", "enqueued_at"}
        by_itself = [model_to_dict(row) for row in written()[-3:]]
        assert [{**row, **dict.fromkeys(own)} for row in by_itself] == [
            {**model_to_dict(row), **dict.fromkeys(own)} for row in rows[:3]
        ]
    assert [one.emission for one in rows[::3]] == [one.emission for one in rows[2::3]]
    assert len({one.emission for one in rows}) == 3


def test_three_at_a_time_are_written_by_one_statement() -> None:
    with listening(announced, first), CaptureQueriesContext(connection) as queries, bulk():
        for number in range(7):
            ((_, delivery),) = WAYS["send"](sender=None, name=number)
        assert Delivery.objects.count() == 6
        assert (delivery.id, delivery.enqueued_at) == (None, None)
    assert delivery == written()[-1]
    assert sum("INSERT INTO" in one["sql"] for one in queries.captured_queries) == 3
    assert names() == [*range(7)]


def test_large_arguments_do_not_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[ENQUEUE], "LARGE", 10_000)
    with listening(announced, first), bulk():
        announced.send(sender=None, name="x" * 9_000)
        assert names() == []
        announced.send(sender=None, name="y" * 9_000)
        assert [name[:1] for name in names()] == ["x", "y"]


def test_an_argument_that_cannot_travel_is_refused_at_its_send() -> None:
    with listening(announced, first), bulk():
        announced.send(sender=None, name="before")
        with pytest.raises(PayloadError, match=r"announced: name \(object\) cannot travel"):
            announced.send(sender=None, name=object())
        announced.send(sender=None, name="after")
    assert names() == ["before", "after"]


def test_each_is_logged_once_it_has_its_number(caplog: pytest.LogCaptureFixture) -> None:
    with listening(announced, first), caplog.at_level(logging.DEBUG, "signals_app.deliveries"), bulk():
        announced.send(sender=None, name="lamp")
        announced.send(sender=None, name="chair")
        assert caplog.messages == []
    assert [(one.event, one.delivery) for one in caplog.records] == [("enqueued", row.id) for row in written()]  # type: ignore[attr-defined]


# What comes of a program of sends, blocks and rollbacks

Program = list[Any]
Block = Callable[[], AbstractContextManager[object]]
BLOCKS = ("savepoint", "no savepoint", "bulk", "by hand")
programs: st.SearchStrategy[Program] = st.recursive(
    st.lists(st.just("send") | st.just("set_rollback"), max_size=5),
    lambda inner: st.lists(
        st.just("send") | st.tuples(st.sampled_from(BLOCKS), st.booleans(), inner), min_size=1, max_size=5
    ),
    max_leaves=8,
)


def play(
    program: Program, block: Callable[[], AbstractContextManager[object]], sent: list[tuple[str, Delivery]]
) -> None:
    for step in program:
        if step == "send":
            name = f"send {len(sent)}"
            try:
                ((_, delivery),) = WAYS["send"](sender=None, name=name)
            except TransactionManagementError:
                name = "refused"
                delivery = Delivery()
            sent.append((name, delivery))
        elif step == "set_rollback":
            transaction.set_rollback(True)
        elif step[0] == "by hand":
            with suppress(TransactionManagementError):
                savepoint = savepoint_create()
                play(step[2], block, sent)
                (transaction.savepoint_commit if step[1] else transaction.savepoint_rollback)(savepoint)
        else:
            manager = block() if step[0] == "bulk" else transaction.atomic(savepoint=step[0] == "savepoint")
            with suppress(Undone, TransactionManagementError), manager:
                play(step[2], block, sent)
                if not step[1]:
                    raise Undone


def outcome(program: Program, block: Block) -> tuple[list[str], list[str]]:
    """Return the names of the sends that were tried and those that were written, and roll it all back."""
    sent: list[tuple[str, Delivery]] = []
    with suppress(Undone), transaction.atomic():
        with block():
            play(program, block, sent)
        ids = {delivery.id: name for name, delivery in sent if delivery.id}
        kept = names()
        assert [ids[row.id] for row in written()] == kept, "the objects that the sends returned are those on record"
        raise Undone
    return [name for name, _ in sent], kept


@settings(deadline=None, max_examples=150)
@given(programs)
def test_what_is_written_is_what_single_sends_would_have_written(program: Program) -> None:
    with listening(announced, first):
        assert outcome(program, bulk) == outcome(program, transaction.atomic)


def test_a_block_within_a_block_ends_with_everything_written() -> None:
    with listening(announced, first), bulk():
        announced.send(sender=None, name="outer")
        with bulk():
            announced.send(sender=None, name="inner")
        assert names() == ["outer", "inner"]


def test_what_was_sent_before_a_savepoint_outlives_a_statement_within_it() -> None:
    with listening(announced, first), bulk():
        announced.send(sender=None, name="before")
        with suppress(Undone), transaction.atomic():
            for number in range(7):
                announced.send(sender=None, name=f"within {number}")
            assert names()[0] == "before"
            raise Undone
        assert names() == []
        ((_, after),) = WAYS["send"](sender=None, name="after")
    assert names() == ["before", "after"]
    assert written()[1] == after


def test_a_savepoint_is_known_by_its_name_whatever_comment_goes_with_the_statement() -> None:
    numbers = count()

    def comment(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        return execute(f"/* span {next(numbers)} */ {sql} /* span {next(numbers)} */", *rest)

    with listening(announced, first), connection.execute_wrapper(comment), bulk():
        announced.send(sender=None, name="before")
        with suppress(Undone), transaction.atomic():
            announced.send(sender=None, name="within")
            raise Undone
    assert names() == ["before"]


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_what_is_written_is_forgotten_though_each_is_sent_in_a_savepoint(
    around: Callable[[], AbstractContextManager[object]],
) -> None:
    gc.collect()
    before = in_memory()
    with listening(announced, first), bulk(), around():
        for number in range(20):
            with transaction.atomic():
                announced.send(sender=None, name=number)
            assert in_memory() - before <= 3
    assert names() == [*range(20)]


# Transactions


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_the_block_is_one() -> None:
    counted: list[int] = []
    with listening(announced, first):
        with bulk():
            for number in range(4):
                announced.send(sender=None, name=number)
            transaction.on_commit(lambda: counted.append(seen_elsewhere()))
            transaction.on_commit(lambda: announced.send(sender=None, name="on commit"))
            assert seen_elsewhere() == 0
        assert counted == [4], "what is called on commit finds the deliveries"
        assert names() == [0, 1, 2, 3, "on commit"]
        with suppress(Undone), bulk():
            for number in range(4):
                announced.send(sender=None, name=number)
            raise Undone
    assert seen_elsewhere() == 5


def test_an_error_undoes_the_block_and_leaves_the_transaction_around_it() -> None:
    with listening(announced, first), transaction.atomic():
        announced.send(sender=None, name="before")
        with suppress(Undone), bulk():
            for number in range(4):
                announced.send(sender=None, name=number)
            raise Undone
        announced.send(sender=None, name="after")
    assert names() == ["before", "after"]


@pytest.fixture
def forbidden() -> None:
    """Have the database refuse payloads with the word."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER forbids BEFORE INSERT ON signals_app_delivery WHEN NEW.payload LIKE '%forbidden%' "
                "BEGIN SELECT RAISE(ABORT, 'forbids'); END"
            )
        else:
            cursor.execute(
                "ALTER TABLE signals_app_delivery ADD CONSTRAINT forbids CHECK (payload NOT LIKE '%forbidden%')"
            )


@pytest.mark.usefixtures("forbidden")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [2, 3, 4], ids=["at the end", "at a send", "both"])
def test_what_the_database_refuses_undoes_the_block_and_says_whose_it_was(way: str, count: int) -> None:
    with listening(announced, first), transaction.atomic():
        with pytest.raises(Error) as caught, bulk():  # noqa: PT012 - it may come from any of them
            WAYS[way](sender=None, name="forbidden")
            for number in range(1, count):
                WAYS[way](sender=None, name=number)
        if "robust" not in way or connection.vendor == "sqlite" or count == 2:
            assert "forbids" in str(caught.value)
        announced.send(sender=None, name="after")
    (note,) = caught.value.__notes__
    assert note.startswith("bulk() could not write these deliveries: ")
    assert note.endswith(f" of {__name__}.announced for {first.key}.")
    assert names() == ["after"]


@pytest.mark.usefixtures("forbidden")
@pytest.mark.database("sqlite")
def test_a_send_that_raised_for_others_writes_nothing_itself_though_the_block_goes_on() -> None:
    with listening(announced, first), bulk():
        announced.send(sender=None, name="before")
        with suppress(Undone), transaction.atomic():
            announced.send(sender=None, name="forbidden")
            ((_, error),) = announced.send_robust(sender=None, name="the third")
            assert isinstance(error, Error)
            raise Undone
        announced.send(sender=None, name="after")
    assert names() == ["before", "after"]


def test_a_send_in_a_transaction_that_is_to_be_rolled_back_is_refused() -> None:
    with listening(announced, first):
        with bulk():
            announced.send(sender=None, name="before")
            transaction.set_rollback(True)
            with pytest.raises(TransactionManagementError):
                announced.send(sender=None, name="after")
        assert names() == []


@pytest.mark.database("postgresql")
def test_a_send_in_a_transaction_that_a_statement_broke_is_refused() -> None:
    with listening(announced, first), pytest.raises(InternalError, match="aborted"), bulk():  # noqa: PT012
        announced.send(sender=None, name="before")
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        with pytest.raises(InternalError, match="aborted"):
            announced.send(sender=None, name="after")
    assert names() == []


@pytest.mark.database("postgresql")
@pytest.mark.django_db(transaction=True)
def test_another_thread_sends_in_a_transaction_of_its_own() -> None:
    def send() -> None:
        with closing(connection):
            announced.send(sender=None, name="other")

    async def send_in_threads() -> None:
        await sync_to_async(send, thread_sensitive=False)()
        await announced.asend(sender=None, name="of a coroutine")

    with listening(announced, first):
        with suppress(Undone), bulk():
            announced.send(sender=None, name="own")
            async_to_sync(send_in_threads)()
            assert seen_elsewhere() == 1
            raise Undone
        assert names() == ["other"]


class OtherRouter:
    """Keeps the deliveries in the database ``other``."""

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        return "other" if model is Delivery else None

    db_for_read = db_for_write


@pytest.mark.django_db(databases=["default", "other"])
def test_a_block_follows_the_database_that_holds_the_deliveries() -> None:
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.OtherRouter"]), listening(announced, first):
        with bulk():
            with suppress(Undone), transaction.atomic(using="default"):
                announced.send(sender=None, name="elsewhere")
                raise Undone
            with suppress(Undone), transaction.atomic(using="other"):
                announced.send(sender=None, name="here")
                raise Undone
        assert names() == ["elsewhere"]


@pytest.mark.django_db(transaction=True)
def test_a_block_that_is_never_left_ends_with_its_transaction() -> None:
    with listening(announced, first):
        left = bulk()
        left.__enter__()
        announced.send(sender=None, name="lost with it")
        connection.in_atomic_block = False
        connection.close()  # as a worker does with what a receiver left
        announced.send(sender=None, name="after")
        with suppress(Undone), transaction.atomic():
            announced.send(sender=None, name="rolled back")
            raise Undone
        assert names() == ["after"]
    with suppress(StopIteration):
        left.__exit__(None, None, None)


@pytest.mark.database("postgresql")
@pytest.mark.django_db(transaction=True)
def test_a_sleeping_cluster_is_woken_once() -> None:
    until = timezone.now() + timedelta(seconds=60)
    IdleQueue.objects.create(queue=conf.queue, until=until)
    listener = sql.connection().copy()
    with closing(listener), listener.cursor() as cursor:
        cursor.execute("LISTEN signals_app")
        with listening(announced, first), bulk():
            for number in range(7):
                announced.send(sender=None, name=number)
        notes = [note.payload for note in listener.connection.notifies(timeout=0.5)]
    assert notes == [conf.queue]


# A signal for each of many


def in_memory() -> int:
    return sum(type(one) is Delivery for one in gc.get_objects())


def test_each_of_the_arguments_is_sent_as_it_is_read_and_nothing_is_kept() -> None:
    read: list[int] = []
    told: list[tuple[int, int, int]] = []

    def arguments() -> Iterator[dict[str, Any]]:
        for number in range(8):
            read.append(number)
            yield {"name": number}

    gc.collect()
    before = in_memory()

    def progress(done: int) -> None:
        told.append((done, len(read), in_memory() - before))

    with listening(announced, first):
        assert send_each(announced, Thing, arguments(), progress=progress) == 8
    assert [(done, so_far) for done, so_far, _ in told] == [(3, 3), (6, 6), (8, 8)]
    assert max(kept for *_, kept in told) <= 3
    assert names() == [*range(8)]
    assert [(call.sender, call.arguments) for call in run_waiting()] == [(Thing, {"name": one}) for one in range(8)]


def test_an_error_says_which_of_them_it_was_and_none_is_sent() -> None:
    with listening(announced, first), pytest.raises(PayloadError, match="name ") as caught:
        send_each(announced, None, ({"name": object() if number == 5 else number} for number in range(8)))
    assert caught.value.__notes__ == ["send_each() and send_for() send all or none; this was number 6."]
    assert written() == []


def test_instances_that_no_signal_told_of_are_sent_for() -> None:
    made = Thing.objects.bulk_create(Thing(name=name) for name in ("lamp", "chair", "table", "bed"))
    with listening(announced, first):
        assert send_for(made[:1], announced) == 1
        Thing.objects.update(name=F("name"))
        assert send_for(Thing.objects.order_by("-name"), announced, name="thing") == 4
    assert [(call.sender, call.arguments) for call in run_waiting()] == [
        (Thing, {"instance": made[0]}),
        *((Thing, {"thing": made[place]}) for place in (2, 0, 1, 3)),
    ]
