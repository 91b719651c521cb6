"""The figures of the overview."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings
from django.utils import timezone

from signals_app import ledger
from signals_app.console import dashboard
from signals_app.console.dashboard import Cluster, failure_groups, last_hour, percentiles, place_of, runs_of_last_hour
from signals_app.dispatcher.context import new_emission
from signals_app.ledger import ClusterSeen
from signals_app.models import Outcome, State
from signals_app.processes.identity import current_process, resident_bytes
from tests.signals_app.console.admin.rows import attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ALIVE = Cluster(queue="sigdemo", host="vm", age=0.1, is_alive=True)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/site/signals_app/attempt.py", line 81, in _call
    call()
  File "/srv/site/orders/receivers.py", line 12, in print_label
    raise ValueError
ValueError
"""


def ended(state: State, *, seconds_ago: float = 5, waited: float = 1, ran: float = 2, **fields: Any) -> None:
    """Write a delivery that ended so long ago."""
    finished_at = timezone.now() - timedelta(seconds=seconds_ago)
    started_at = finished_at - timedelta(seconds=ran)
    delivery(
        state,
        **{
            "finished_at": finished_at,
            "started_at": started_at,
            "due_at": started_at - timedelta(seconds=waited),
            "enqueued_at": started_at - timedelta(seconds=waited),
            "emission": UUID(int=0),  # long ago
            **fields,
        },
    )


def test_the_hour_has_sixty_minutes_and_counts_what_ended_in_each() -> None:
    ended(State.SUCCESSFUL, seconds_ago=0)
    ended(State.SUCCESSFUL, seconds_ago=600)
    ended(State.FAILED, seconds_ago=600)
    ended(State.CANCELLED, seconds_ago=600, started_at=None)
    ended(State.SUCCESSFUL, seconds_ago=7_200)
    delivery()
    minutes = last_hour(ledger.ended_by_minute())
    assert len(minutes) == 60
    assert minutes[-1].start <= timezone.now()
    assert sum(minute.total for minute in minutes) == 4
    (busy,) = [minute for minute in minutes if minute.failed]
    assert (busy.successful, busy.failed, busy.cancelled) == (1, 1, 1)


@override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo")
def test_without_time_zones_the_minutes_are_local() -> None:
    ended(State.SUCCESSFUL, seconds_ago=0)
    assert last_hour(ledger.ended_by_minute())[-1].successful + last_hour(ledger.ended_by_minute())[-2].successful == 1


def test_percentiles_are_by_the_nearest_rank() -> None:
    found = percentiles([3, None, *range(1, 101)])
    assert (found.p50, found.p95) == (timedelta(seconds=50), timedelta(seconds=95))
    assert percentiles([None]).p50 is None


def test_receivers_and_queues_tell_how_much_failed_and_how_long_it_took() -> None:
    for number in range(3):
        ended(State.SUCCESSFUL, receiver="quick", queue="a", ran=number)
    ended(State.FAILED, receiver="quick", queue="b", ran=9)
    ended(State.FAILED, receiver="slow", queue="b", ran=60, waited=-5)
    found = runs_of_last_hour()
    quick, slow = found.receivers
    assert (quick.name, quick.count, quick.failed, quick.failed_share) == ("quick", 4, 1, 0.25)
    assert (quick.ran.p50, quick.ran.p95) == (timedelta(seconds=1), timedelta(seconds=9))
    assert (slow.name, slow.waited.p50) == ("slow", None)
    assert (found.queues["b"].count, found.queues["b"].failed, found.is_sample) == (2, 2, False)


def test_more_than_is_read_is_said_to_be_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals_app.ledger.stats.NEWEST", 2)
    monkeypatch.setattr("signals_app.ledger.NEWEST", 2)
    for _ in range(3):
        ended(State.SUCCESSFUL)
    assert runs_of_last_hour().is_sample


def test_failures_are_grouped_by_error_and_place() -> None:
    now = timezone.now()
    for number in range(3):
        one = delivery(State.FAILED, finished_at=now - timedelta(minutes=number), attempts=2)
        attempt(one, 1, error_class="builtins.KeyError")
        attempt(one, 2, traceback=TRACEBACK, message=f"password=hunter2 {number}")
        attempt(one, 2, outcome=Outcome.STALE, error_class="late")
    other = delivery(State.FAILED, finished_at=now - timedelta(hours=2))
    attempt(other, 1, traceback="")
    delivery(State.FAILED, finished_at=now - timedelta(days=3))

    group, alone = failure_groups()

    assert (group.error_class, group.count) == ("builtins.ValueError", 3)
    assert group.place == "orders/receivers.py:12 in print_label"
    assert group.message == "password=******** 0"
    assert (alone.place, list(alone.ids)) == ("", [other.id])


def test_a_place_is_that_of_the_innermost_frame() -> None:
    assert place_of(TRACEBACK) == "orders/receivers.py:12 in print_label"
    assert place_of("no frames") == ""


def test_without_a_cluster_it_is_said_first() -> None:
    said = dashboard.banners(ledger.figures(), [], last_hour(ledger.ended_by_minute()))
    assert said[0].text == "No cluster is alive, so nothing runs."


def test_a_queue_that_no_cluster_serves_is_named() -> None:
    delivery(queue="mail")
    delivery(queue="sigdemo")
    said = [banner.text for banner in dashboard.banners(ledger.figures(), [ALIVE], last_hour(ledger.ended_by_minute()))]
    assert "No cluster of the queue mail is alive." in said
    assert "No cluster of the queue elsewhere is alive." in said  # a receiver of the tests names it
    assert not any("sigdemo" in text for text in said)


def test_a_queue_that_needs_no_cluster_standing_by_is_named_when_work_waits_too_long_in_it() -> None:
    lacking = "No cluster of the queue mail is alive."
    delivery(queue="mail", due_at=timezone.now() - timedelta(seconds=100))
    with override_settings(SIGNALS_APP={"ON_DEMAND_QUEUES": ("mail",)}):
        assert lacking not in [
            one.text for one in dashboard.banners(ledger.figures(), [ALIVE], last_hour(ledger.ended_by_minute()))
        ]
    with override_settings(SIGNALS_APP={"ON_DEMAND_QUEUES": ("mail",), "HEALTH_MAX_WAIT": 99}):
        assert lacking in [
            one.text for one in dashboard.banners(ledger.figures(), [ALIVE], last_hour(ledger.ended_by_minute()))
        ]


def test_a_rising_depth_is_told_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "DEPTH", 3)
    figures = ledger.figures()
    assert not dashboard._rising(figures, last_hour(ledger.ended_by_minute()))
    for _ in range(3):
        delivery(emission=new_emission())
    (said,) = dashboard._rising(ledger.figures(), last_hour(ledger.ended_by_minute()))
    assert "3 handed off in the last 5 minutes, 0 ended, 3 are due" in said.text
    for _ in range(4):
        ended(State.SUCCESSFUL)
    assert not dashboard._rising(ledger.figures(), last_hour(ledger.ended_by_minute()))


def test_a_wrong_setting_is_told() -> None:
    with override_settings(SIGNALS_APP={"LEASES": 3}):
        said = [
            banner.text for banner in dashboard.banners(ledger.figures(), [ALIVE], last_hour(ledger.ended_by_minute()))
        ]
    assert "SIGNALS_APP has an unknown key 'LEASES'. (signals_app.E002)" in said


def test_a_cluster_whose_statistic_cannot_be_read_is_listed_all_the_same() -> None:
    seen = ClusterSeen(queue="q", host="vm", package="forged", age=1, is_alive=True)
    assert dashboard._cluster(seen, {}).workers == ()


def test_a_worker_is_known_by_host_and_pid() -> None:
    delivery(State.RUNNING, owner=str(current_process()), receiver="first")
    delivery(State.RUNNING, owner="nobody", receiver="stray")
    working = dashboard._working()
    host = current_process().host
    assert {key: one.receiver for key, one in working.items()} == {(host, os.getpid()): "first"}


def test_memory_is_told_of_processes_of_this_host_only() -> None:
    assert (resident_bytes(socket.gethostname(), os.getpid()) or 0) > 1_000_000
    assert resident_bytes("elsewhere", os.getpid()) is None
    assert resident_bytes(socket.gethostname(), 2**30) is None
