"""Durations, moments, payloads and traces as people read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from signals_app.console import formatting
from signals_app.models import Delivery, Pause, PauseKind, State
from tests.signals_app.console.admin.rows import NOON, at


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 ms"),
        (0.0042, "4.2 ms"),
        (0.35, "350 ms"),
        (0.9996, "1.00 s"),
        (1.354, "1.35 s"),
        (59.999, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_599.7, "1 h 0 min"),
        (11_520, "3 h 12 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert formatting.written(timedelta(seconds=seconds)).replace("\N{NO-BREAK SPACE}", " ") == words


def test_a_duration_that_is_not_known_is_a_dash() -> None:
    assert formatting.written(None) == "\N{EN DASH}"


def test_it_is_said_how_far_a_moment_lies_ahead_or_back() -> None:
    assert formatting.until(at(12), NOON).replace("\N{NO-BREAK SPACE}", " ") == "in 12.00 s"
    assert formatting.until(NOON, at(182)).replace("\N{NO-BREAK SPACE}", " ") == "3 min 2 s ago"


@pytest.mark.parametrize(
    ("state", "due", "started", "finished", "waited", "ran"),
    [
        pytest.param(State.READY, 40, None, None, 60, None, id="due, and waiting"),
        pytest.param(State.READY, 160, None, None, None, None, id="not due yet"),
        pytest.param(State.READY, 90, 2, None, 10, None, id="waiting for its second attempt"),
        pytest.param(State.RUNNING, 40, 41, None, 1, 59, id="running"),
        pytest.param(State.SUCCESSFUL, 0, 2, 5, 2, 3, id="successful"),
        pytest.param(State.FAILED, 0, 2, 5, 2, 3, id="failed"),
        pytest.param(State.CANCELLED, 0, None, 5, None, None, id="cancelled before it ran"),
        pytest.param(State.CANCELLED, 30, 2, 40, None, None, id="cancelled between two attempts"),
        pytest.param(State.CANCELLED, 0, 2, 5, 2, 3, id="skipped by its receiver"),
    ],
)
def test_what_waited_and_ran_mean_in_each_state(
    state: State, due: float, started: float | None, finished: float | None, waited: float | None, ran: float | None
) -> None:
    started_at, finished_at = (None if one is None else at(one) for one in (started, finished))
    delivery = Delivery(state=state, due_at=at(due), started_at=started_at, finished_at=finished_at)
    found = (formatting.waited(delivery, at(100)), formatting.ran(delivery, at(100)))
    assert [one and one.total_seconds() for one in found] == [waited, ran]


@pytest.mark.parametrize(
    ("fields", "paused", "words"),
    [
        ({}, "", "ready"),
        ({"due_at": at(110)}, "", "scheduled in 10 s"),
        ({"due_at": at(100 + 300)}, "", "scheduled in 5 min"),
        ({"due_at": at(100 + 300), "booked": True}, "", "turn in 5 min"),
        ({"due_at": at(99), "booked": True}, "", "ready"),
        ({"due_at": at(100 + 3 * 86_400)}, "", "scheduled in 3 d"),
        ({"due_at": at(110), "attempts": 1}, "", "retrying in 10 s"),
        ({"attempts": 1}, "", "retrying now"),
        ({"due_at": at(110), "unroutable": True}, "", "unroutable"),
        ({"unroutable": True}, "mail", "paused by ada"),
        ({}, "shop.print", "paused by ada"),
        ({"queue": "shop.print", "receiver": "mail"}, "mail", "ready"),
        ({"state": State.RUNNING}, "mail", "running"),
        ({"state": State.FAILED, "unroutable": True}, "mail", "failed"),
        ({"state": "ASLEEP"}, "", "ASLEEP"),
    ],
)
def test_a_state_is_told_as_people_see_it(fields: dict[str, Any], paused: str, words: str) -> None:
    one = Delivery(**{"state": State.READY, "due_at": NOON, "queue": "mail", "receiver": "shop.print", **fields})
    kind = PauseKind.RECEIVER if "." in paused else PauseKind.QUEUE
    pauses = [Pause(kind=kind, name=paused, by="ada")] if paused else []
    said = f"{formatting.standing(one, pauses, at(100))[1]} {formatting.paused_by(one, pauses)}"
    assert said.strip().replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ('{"z":1,"a":["Jürgen",1e22]}', '{\n  "z": 1,\n  "a": [\n    "Jürgen",\n    1e+22\n  ]\n}'),
        ("{broken", "{broken"),
        ("9" * 5_000, "9" * 5_000),
        ('"\\ud800"', '"\\ud800"'),  # half a surrogate pair, which no page can carry
        ('{"password": "hunter2"}', '{\n  "password": "********"\n}'),
        ('{"password": "hunter2"', '{"password": ********'),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=["indented, in its order", "no JSON", "long number", "surrogate", "masked", "masked, no JSON", "deep"],
)
def test_a_payload_as_it_is_read(payload: str, shown: str) -> None:
    assert formatting.readable_payload(payload) == shown


def test_a_payload_nested_too_deep_to_be_indented_is_shown_all_the_same() -> None:
    assert formatting.readable_payload("[" * 900 + "]" * 900).startswith("[")


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("", ""),
        ("00-<script>-00f067aa0ba902b7-01", ""),
    ],
)
def test_a_trace_is_told_by_its_id(traceparent: str, trace: str) -> None:
    assert formatting.trace_id(traceparent) == trace


def test_a_moment_is_told_in_the_current_time_zone() -> None:
    with timezone.override("Asia/Tokyo"):
        assert formatting.moment(NOON) == (
            '<time class="signals-moment" datetime="2026-11-23T12:00:00+00:00">'
            "<span>2026-11-23</span> <span>21:00:00</span></time>"
        )
