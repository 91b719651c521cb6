"""What is said of Django-Q's clocks; and that a worker that hangs is killed with the values that are let through."""

from __future__ import annotations

import inspect
from multiprocessing.sharedctypes import RawValue
from typing import Any

import pytest
from django.test import override_settings
from django_q.cluster import Sentinel
from django_q.worker import worker

from signals_app.checks import check_timers
from signals_app.checks.clusters import EXACT_CYCLES
from tests.signals_app.checks.said import assert_said

INEXACT = [0.3, 0.7, 0.1, 0.2, 0.6, 0.75, 1 / 3, 1.5, 2, 3, 60, 0]


def kills(cycle: float, timeout: int) -> bool:
    """Tell whether Django-Q's guard, looking every ``cycle`` seconds, would kill a worker whose task never ends."""
    timer = RawValue("f", -1)
    timer.value = timeout
    timer.value += 3
    while timer.value > 0:
        before = timer.value
        timer.value -= cycle
        if timer.value == before:
            return False
    return bool(timer.value == 0)


def test_django_q_counts_as_these_tests_do() -> None:
    assert 'Value("f", -1)' in inspect.getsource(Sentinel.spawn_worker)
    assert "timer.value += 3" in inspect.getsource(worker)
    guard = inspect.getsource(Sentinel.guard)
    assert "p.timer.value -= cycle" in guard
    assert "or p.timer.value == 0:" in guard


@pytest.mark.parametrize("cycle", EXACT_CYCLES)
def test_a_worker_that_hangs_is_killed_with_an_exact_guard_cycle(cycle: float) -> None:
    assert all(kills(cycle, timeout) for timeout in (1, 2, 7, 60, 61, 62, 71, 3601, 9_000))
    with override_settings(Q_CLUSTER={"timeout": 60, "retry": 61, "guard_cycle": cycle}):
        assert [*check_timers()] == []


@pytest.mark.parametrize("cycle", EXACT_CYCLES)
def test_an_exact_guard_cycle_counts_exactly_from_two_to_the_24th_times_itself(cycle: float) -> None:
    timer = RawValue("f", 2**24 * cycle)
    timer.value -= cycle
    assert timer.value == (2**24 - 1) * cycle
    timer.value = 2**25 * cycle
    timer.value -= cycle
    assert timer.value == 2**25 * cycle  # it stands still


@pytest.mark.parametrize("cycle", INEXACT)
def test_a_guard_cycle_that_some_timer_would_step_past_is_an_error(cycle: float) -> None:
    assert not all(kills(cycle, timeout) for timeout in range(1, 100))
    with override_settings(Q_CLUSTER={"timeout": 60, "retry": 61, "guard_cycle": cycle}):
        assert_said(check_timers(), "E011", f"Q_CLUSTER['guard_cycle'] is {cycle!r}: ", "takes 1, 0.5, 0.25, 0.125, ")


@pytest.mark.parametrize("cycle", [-1, None, "0.5", True])
def test_a_guard_cycle_that_is_no_time_is_an_error(cycle: Any) -> None:
    with override_settings(Q_CLUSTER={"timeout": 60, "retry": 61, "guard_cycle": cycle}):
        assert_said(check_timers(), "E011")


SLOW = {"slow": {"timeout": 600}, "slower": {"timeout": 600, "retry": 900}, "as all": {"workers": 1}}


@pytest.mark.parametrize(
    ("cluster", "given"),
    [
        ({"timeout": 60, "retry": 60}, "Q_CLUSTER['retry'] is 60 and its timeout 60:"),
        ({"timeout": 90, "retry": 60.5}, "60.5 and its timeout 90:"),
        ({"timeout": "60", "retry": 90}, "90 and its timeout '60':"),
        ({"retry": None}, "None and its timeout 60:"),
        # an own timeout of one cluster is measured against the retry of all
        (
            {"timeout": 60, "retry": 90, "ALT_CLUSTERS": SLOW},
            "Q_CLUSTER['ALT_CLUSTERS']['slow']['retry'] is 90 and its timeout 600:",
        ),
    ],
)
def test_a_task_that_is_given_out_again_while_it_may_run_is_an_error(cluster: dict[str, Any], given: str) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert_said(check_timers(), "E010", given)


@pytest.mark.parametrize("timeout", [None, 0])
def test_a_cluster_without_a_timeout_is_a_warning(timeout: int | None) -> None:
    with override_settings(Q_CLUSTER={"timeout": timeout, "retry": 120}):
        assert_said(check_timers(), "W001", "longer than 120 s, its retry")
