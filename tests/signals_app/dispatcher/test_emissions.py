"""Which deliveries belong to one send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from asgiref.sync import async_to_sync
from django.dispatch import Signal

from signals_app.dispatcher import QueuedReceiver
from signals_app.dispatcher.emission import DEEPEST, send_of
from signals_app.ledger import new_emission
from tests.signals_app.listeners import Make, asynchronous, first, listening, second, written

pytestmark = pytest.mark.django_db

outer, other, inner = Signal(), Signal(), Signal()
both_ways = pytest.mark.parametrize("send", [outer.send, async_to_sync(outer.asend)], ids=["send", "asend"])


def emissions(receiver: QueuedReceiver | None = None) -> list[UUID]:
    """Return the emission of every delivery, or those of one receiver, in the order of their hand-off."""
    return [row.emission for row in written() if receiver is None or row.receiver == receiver.key]


def sends_more(sender: object, **kwargs: Any) -> None:
    inner.send(sender=None)


def sends_the_same(sender: object, depth: int, **kwargs: Any) -> None:
    if depth:
        outer.send(sender=sender, depth=depth - 1)


@both_ways
def test_the_deliveries_of_one_send_share_an_emission_and_sends_from_one_line_are_told_apart(
    send: Callable[..., object],
) -> None:
    with listening(outer, first, asynchronous, second):
        for _ in range(20):
            send(sender=None)
    assert emissions(first) == emissions(second) == emissions(asynchronous)
    assert len(set(emissions())) == 20


def test_senders_and_signals_are_told_apart() -> None:
    with listening(outer, first), listening(outer, second, sender="b"), listening(other, first):
        for signal, sender in ((outer, "a"), (outer, "b"), (outer, None), (outer, "a"), (other, "a")):
            signal.send(sender=sender)
    assert len(emissions()) == 6
    assert len(set(emissions())) == 5


@both_ways
def test_a_send_within_a_send_has_its_own_and_does_not_split_the_outer_one(send: Callable[..., object]) -> None:
    with listening(inner, asynchronous), listening(outer, first, sends_more, second):
        for _ in range(3):
            send(sender=None)
    assert emissions(first) == emissions(second)
    assert len(set(emissions())) == 6


def test_a_send_of_the_same_signal_within_its_own_send_is_told_apart() -> None:
    with listening(outer, first, sends_the_same, second):
        outer.send(sender=None, depth=3)
    assert emissions(first) == list(reversed(emissions(second)))
    assert len(set(emissions())) == 4


def test_a_receiver_that_says_no_or_refuses_counts_as_called(made: Make) -> None:
    odd = made(first.func, key="odd", when=lambda number, **kwargs: number % 2 == 1)
    even = made(first.func, key="even", when=lambda number, **kwargs: number % 2 == 0)
    with listening(outer, odd, even):
        for number in range(6):
            outer.send(sender=None, number=number)
    assert len(set(emissions())) == len(emissions()) == 6
    with listening(other, first, made(second.func, key="tolerant", drop=("payload",))):
        other.send_robust(sender=None, payload=object())
        other.send_robust(sender=None, payload=1)
    refused, *passed = emissions()[6:]
    assert len(passed) == 2
    assert set(passed) == {passed[0]} != {refused}


def test_threads_do_not_mix() -> None:
    def emission(found: list[UUID], receiver: object) -> None:
        found.append(send_of(frame=1, signal=outer, sender=None, receiver=receiver).emission)

    found: list[UUID] = []
    emission(found, first)
    thread = threading.Thread(target=emission, args=(found, second))
    thread.start()
    thread.join()
    emission(found, second)
    assert found[0] == found[2] != found[1]


def test_beyond_the_deepest_nesting_sends_are_only_told_apart() -> None:
    frames = range(1, DEEPEST * 3)
    going_in = [send_of(frame=frame, signal=outer, sender=None, receiver=first).emission for frame in frames]
    coming_out = [
        send_of(frame=frame, signal=outer, sender=None, receiver=second).emission for frame in reversed(frames)
    ]
    coming_out.reverse()
    assert len(set(going_in)) == len(frames)
    assert coming_out[-DEEPEST:] == going_in[-DEEPEST:]
    assert set(coming_out[:-DEEPEST]).isdisjoint(going_in)


def test_emissions_are_uuids_that_grow_with_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_emission() for _ in range(100)]
    times = [before, *(one.int >> 80 for one in made), time.time_ns() // 1_000_000]
    assert len(set(made)) == 100
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}
    assert times == sorted(times)
