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
from signals_app.dispatcher.emission import DEEPEST, emission_of, new_emission
from tests.signals_app.listeners import asynchronous, first, listening, second, written

outer, other, nesting, inner, recursive = Signal(), Signal(), Signal(), Signal(), Signal()

Make = Callable[..., QueuedReceiver]


def emissions(receiver: QueuedReceiver | None = None) -> list[UUID]:
    """Return the emission of every delivery, or those of one receiver, in the order of their hand-off."""
    return [row.emission for row in written() if receiver is None or row.receiver == receiver.key]


def sends_more(sender: object, depth: int = 0, **kwargs: Any) -> None:
    """Send another signal in the middle of a send."""
    inner.send(sender=None)


def sends_the_same(sender: object, depth: int, **kwargs: Any) -> None:
    """Send the same signal in the middle of its send."""
    if depth:
        recursive.send(sender=sender, depth=depth - 1)


@pytest.mark.django_db
@pytest.mark.parametrize("is_async", [False, True])
def test_the_deliveries_of_one_send_share_an_emission_and_sends_from_one_line_are_told_apart(is_async: bool) -> None:
    with listening(outer, first, asynchronous, second):
        for _ in range(20):
            if is_async:
                async_to_sync(outer.asend)(sender=None)
            else:
                outer.send(sender=None)

    assert emissions(first) == emissions(second) == emissions(asynchronous)
    assert len(set(emissions())) == 20


@pytest.mark.django_db
def test_senders_and_signals_are_told_apart() -> None:
    with listening(outer, first), listening(outer, second, sender="b"), listening(other, first):
        for sender in ("a", "b", None):
            outer.send(sender=sender)
        for signal in (outer, other):
            signal.send(sender="a")

    assert len(emissions()) == 6
    assert len(set(emissions())) == 5


@pytest.mark.django_db
@pytest.mark.parametrize("send", [nesting.send, async_to_sync(nesting.asend)], ids=["send", "asend"])
def test_a_send_within_a_send_has_its_own_and_does_not_split_the_outer_one(send: Callable[..., object]) -> None:
    with listening(inner, asynchronous), listening(nesting, first, sends_more, second):
        for _ in range(3):
            send(sender=None)

    assert emissions(first) == emissions(second)
    assert len(set(emissions())) == 6


@pytest.mark.django_db
def test_a_send_of_the_same_signal_within_its_own_send_is_told_apart() -> None:
    with listening(recursive, first, sends_the_same, second):
        recursive.send(sender=None, depth=3)

    assert emissions(first) == list(reversed(emissions(second)))
    assert len(set(emissions())) == 4


@pytest.mark.django_db
def test_a_send_whose_first_receiver_says_no_is_not_taken_for_the_one_before(made: Make) -> None:
    odd = made(first.func, key="odd", when=lambda number, **kwargs: number % 2 == 1)
    even = made(first.func, key="even", when=lambda number, **kwargs: number % 2 == 0)
    with listening(outer, odd, even):
        for number in range(6):
            outer.send(sender=None, number=number)

    assert len(set(emissions())) == len(emissions()) == 6


@pytest.mark.django_db
def test_a_refused_argument_does_not_split_the_next_robust_send(made: Make) -> None:
    tolerant = made(second.func, key="tolerant", drop=("payload",))
    with listening(outer, first, tolerant):
        outer.send_robust(sender=None, payload=object())
        outer.send_robust(sender=None, payload=1)

    refused, *passed = emissions()
    assert len(passed) == 2
    assert set(passed) == {passed[0]} != {refused}


def test_threads_do_not_mix() -> None:
    def emission(found: list[UUID], receiver: object) -> None:
        found.append(emission_of(frame=1, signal=outer, sender=None, receiver=receiver))

    found: list[UUID] = []
    emission(found, first)
    thread = threading.Thread(target=emission, args=(found, second))
    thread.start()
    thread.join()
    emission(found, second)

    assert found[0] == found[2] != found[1]


def test_beyond_the_deepest_nesting_sends_are_only_told_apart() -> None:
    frames = range(1, DEEPEST * 3)
    going_in = [emission_of(frame=frame, signal=outer, sender=None, receiver=first) for frame in frames]
    coming_out = [emission_of(frame=frame, signal=outer, sender=None, receiver=second) for frame in reversed(frames)]
    coming_out.reverse()

    assert len(set(going_in)) == len(frames)
    assert coming_out[-DEEPEST:] == going_in[-DEEPEST:]
    assert set(coming_out[:-DEEPEST]).isdisjoint(going_in)


def test_emissions_are_uuids_that_grow_with_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_emission() for _ in range(100)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 100
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}
    times = [one.int >> 80 for one in made]
    assert before <= times[0]
    assert times[-1] <= after
    assert times == sorted(times)
