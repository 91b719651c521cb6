"""Transactions that roll back at every depth: what was handed off in them leaves no row, and nothing runs."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from django.db import connection, transaction

from signals_app.models import Delivery
from tests.cluster import Cluster, wait_for_all
from tests.faults.harness import Fault, size
from tests.faults.receivers import effect
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


class Undone(Exception):
    """Rolls a block back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A transaction.atomic(): how it is opened, whether it ends well, and the blocks in it, one after another."""

    how: str  # "", "durable", "savepoint" or "no savepoint"
    ends_well: bool
    inner: tuple[Block, ...] = ()

    def __str__(self) -> str:
        return f"({self.how} {'+' if self.ends_well else '-'}{''.join(map(str, self.inner))})"

    @property
    def commits(self) -> bool:
        """Whether it commits into what is around it; one without a savepoint of its own takes that with it."""
        return self.ends_well and all(one.commits for one in self.inner if one.how == "no savepoint")


def play(block: Block, name: str) -> Iterator[str]:
    """Hand off at the begin and at the end of a block and of all that are in it; yield the name of each."""
    with suppress(Undone), transaction.atomic(durable=block.how == "durable", savepoint=block.how != "no savepoint"):
        yield leave(f"{name} begins")
        for number, one in enumerate(block.inner):
            if not connection.needs_rollback:
                yield from play(one, f"{name}.{number}")
        if not connection.needs_rollback:
            yield leave(f"{name} ends")
        if not block.ends_well:
            raise Undone


def leave(name: str) -> str:
    enqueue(effect, name=name)
    return name


def kept(block: Block, name: str) -> Iterator[str]:
    """Yield the names of what a block leaves when everything around it commits."""
    if block.commits:
        yield f"{name} begins"
        for number, one in enumerate(block.inner):
            yield from kept(one, f"{name}.{number}")
        yield f"{name} ends"


def nests(depth: int) -> Iterator[Block]:
    """Yield every way to nest that many blocks."""
    ways: Iterable[tuple[Block, ...]] = [()]
    for hows in [("savepoint", "no savepoint")] * (depth - 1) + [("", "durable")]:
        ways = [
            (Block(how=how, ends_well=ends_well, inner=inner),)
            for how, ends_well, inner in itertools.product(hows, (True, False), ways)
        ]
    return (way[0] for way in ways)


def siblings() -> Iterator[Block]:
    """Yield every way to put two blocks, one after the other, into a third."""
    inner = [Block(how=how, ends_well=well) for how in ("savepoint", "no savepoint") for well in (True, False)]
    for how, well in itertools.product(("", "durable"), (True, False)):
        for pair in itertools.product(inner, repeat=2):
            yield Block(how=how, ends_well=well, inner=pair)


def names() -> list[str]:
    return [json.loads(payload)["arguments"]["name"] for payload in Delivery.objects.values_list("payload", flat=True)]


@pytest.mark.short
@pytest.mark.fault(18, "rollbacks at every depth")
def test_what_is_rolled_back_leaves_no_row_and_runs_nowhere(fault: Fault, cluster: Cluster) -> None:
    blocks = [*itertools.chain(*map(nests, range(1, size(3, 5) + 1))), *siblings()]
    enqueued = [name for number, block in enumerate(blocks) for name in play(block, f"{number} {block}")]
    expected = {name for number, block in enumerate(blocks) for name in kept(block, f"{number} {block}")}
    assert set(names()) == expected
    wait_for_all(seconds=60)
    ledger = fault.invariant()
    fault.note(shapes_of_transactions=len(blocks), handed_off=len(enqueued), kept=len(expected))
    assert ledger["states"] == {"SUCCESSFUL": len(expected)}
    assert ledger["effects"] == Effect.objects.count() == len(expected) < len(enqueued)


@pytest.mark.short
@pytest.mark.fault(18, "a sibling commits while a parent rolls back")
def test_another_connection_commits_while_this_one_rolls_back(fault: Fault, cluster: Cluster) -> None:
    def commit() -> None:
        with transaction.atomic():
            leave("sibling")
        connection.close()

    sibling = threading.Thread(target=commit)
    with suppress(Undone), transaction.atomic():
        leave("parent")
        sibling.start()  # on SQLite it waits for the parent's lock
        if connection.vendor == "postgresql":
            sibling.join()
        raise Undone
    sibling.join()
    assert names() == ["sibling"]
    wait_for_all()
    assert fault.invariant()["states"] == {"SUCCESSFUL": 1}


@pytest.mark.short
@pytest.mark.fault(18, "errors of a sender after it sent")
def test_an_error_after_the_send_takes_the_delivery_with_it(fault: Fault, cluster: Cluster) -> None:
    def open_durable_within() -> None:
        with transaction.atomic(durable=True):
            leave("in a durable block")

    def break_by_the_database() -> None:
        Effect.objects.create(pk=1)
        Effect.objects.create(pk=1)

    def mark_for_rollback() -> None:
        transaction.set_rollback(True)

    def fail() -> None:
        raise Undone

    for error in (open_durable_within, break_by_the_database, mark_for_rollback, fail):
        with suppress(Exception), transaction.atomic():
            leave(f"before {error.__name__}")
            error()
    assert names() == []
    leave("after all of it")
    wait_for_all()
    assert fault.invariant()["states"] == {"SUCCESSFUL": 1}
