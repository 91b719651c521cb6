"""What is said of a ``Q_CLUSTER`` that would not run deliveries, of queues that no cluster serves, and of its clocks.

A worker that hangs is killed with the values that are let through.
"""

from __future__ import annotations

import inspect
from multiprocessing.sharedctypes import RawValue
from typing import Any

import pytest
from django.core import mail
from django.core.checks import CheckMessage
from django.test import override_settings
from django_q.cluster import Sentinel
from django_q.worker import worker

from signals_app.checks import (
    check_alternatives,
    check_broker,
    check_queues,
    check_sync,
    check_task_database,
    check_timers,
)
from signals_app.checks.clusters import EXACT_CYCLES
from signals_app.cluster import broker
from signals_app.conf import BROKER
from tests.signals_app.checks.said import Check, assert_mended, assert_said
from tests.signals_app.listeners import Make

OF_MAIL = "Q_CLUSTER['ALT_CLUSTERS']['mail']"


def only_mail(**values: Any) -> Any:
    """Return settings whose main cluster is well and whose cluster ``mail`` has these values."""
    return override_settings(Q_CLUSTER={"name": "main", "broker_class": BROKER, "ALT_CLUSTERS": {"mail": values}})


@pytest.mark.parametrize(
    ("check", "cluster", "identity", "said"),
    [
        (check_broker, {"broker_class": None}, "E004", "Q_CLUSTER['broker_class'] is None, so no worker is woken"),
        (check_broker, {"broker_class": None, "ALT_CLUSTERS": {"mail": {}}}, "E004", "Q_CLUSTER['broker_class'] is N"),
        (check_broker, {"orm": "default", "sqs": {"aws_region": "eu"}}, "E004", "Q_CLUSTER names the broker sqs"),
        (check_broker, {"ALT_CLUSTERS": {"mail": {"mongo": {}}}}, "E004", f"{OF_MAIL} names the broker mongo"),
        *(
            (check_broker, {"ALT_CLUSTERS": {"mail": {"broker_class": path}}}, "E004", f"{OF_MAIL}['broker_class'] is")
            for path in ("django_q.brokers.orm.ORM", "nowhere.Broker", f"{broker.__name__}.hint")
        ),
        (check_task_database, {"orm": "defualt"}, "E013", "Q_CLUSTER['orm'] names the database 'defualt'"),
        (
            check_task_database,
            {"ALT_CLUSTERS": {"mail": {"orm": ""}}},
            "E013",
            f"{OF_MAIL}['orm'] names the database ''",
        ),
        (check_alternatives, {"ALT_CLUSTERS": ["mail"]}, "E014", "Q_CLUSTER['ALT_CLUSTERS'] is a list, not a dict"),
        (check_alternatives, {"ALT_CLUSTERS": {"bulk": {}, "mail": 4}}, "E014", f"{OF_MAIL} is a int, not a dict"),
    ],
)
def test_a_wrong_cluster_is_told_once_and_the_hint_mends_it(
    check: Check, cluster: dict[str, Any], identity: str, said: str
) -> None:
    assert_mended(check, {"Q_CLUSTER": cluster}, identity, said)


@pytest.mark.parametrize(
    "cluster",
    [
        *({}, None, {"orm": "other"}, {"orm": "default", "redis": {}}),
        {"ALT_CLUSTERS": {"mail": {"broker_class": "tests.faults.sabotage.StrayingHints"}}},  # made from ours
    ],
)
def test_a_project_that_names_no_broker_or_one_made_from_ours_is_right(cluster: dict[str, Any] | None) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert [*check_broker(), *check_task_database(), *check_alternatives()] == []


@pytest.mark.parametrize(
    ("cluster", "place"),
    [({"sync": True}, "Q_CLUSTER"), ({"sync": False, "ALT_CLUSTERS": {"mail": {"sync": True}}}, OF_MAIL)],
)
def test_a_cluster_that_runs_tasks_where_they_are_asked_for_is_for_tests_alone(
    cluster: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert [*check_sync()] == []
        monkeypatch.delattr(mail, "outbox")  # what Django's test environment has, and nothing else
        assert_said(check_sync(), "E012", f"{place}['sync'] is True: plain tasks run in the process that asks")


def test_a_cluster_named_by_the_environment_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "mial")
    with only_mail():
        assert_said(check_alternatives(), "W002", "Q_CLUSTER_NAME is 'mial'", '["ALT_CLUSTERS"]["mial"] = {}.')
        for name in ("mail", "main", ""):
            monkeypatch.setenv("Q_CLUSTER_NAME", name)
            assert [*check_alternatives()] == []


def work(sender: object, **kwargs: Any) -> None: ...


def told_of(queue: str) -> list[CheckMessage]:
    return [one for one in check_queues() if f"in the queue {queue!r}" in one.msg]


@pytest.mark.parametrize("cluster", [None, {"name": "shop"}, {"name": "shop", "ALT_CLUSTERS": {"bulk": {}}}])
def test_a_queue_that_no_cluster_serves_is_a_warning_and_the_hint_adds_one(
    cluster: dict[str, Any] | None, made: Make
) -> None:
    said = "a and 2 more wait in the queue 'mial'"
    for key in "abc":
        made(work, key=key, queue="mial")
    assert_mended(lambda: told_of("mial"), {"Q_CLUSTER": cluster}, "W003", said)


def test_a_receiver_that_waits_alone_is_named(made: Make) -> None:
    made(work, key="a", queue="mial")
    assert_said(told_of("mial"), "W003", "a waits in the queue 'mial', which is no cluster")


@pytest.mark.parametrize("queue", ["mail", "main", "shop"])
def test_the_main_cluster_the_others_and_the_one_of_this_process_serve_a_queue(
    queue: str, made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "shop")
    made(work, queue=queue)
    with override_settings(Q_CLUSTER={"name": "main", "ALT_CLUSTERS": {"mail": {}}}):
        assert told_of(queue) == []


INEXACT: list[float] = [0.3, 0.7, 0.1, 0.2, 0.6, 0.75, 1 / 3, 1.5, 2, 3, 60, 0]
NO_TIMES: list[Any] = [-1, None, "0.5", True]


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


@pytest.mark.parametrize("cycle", INEXACT)
def test_some_worker_that_hangs_would_outlive_an_inexact_guard_cycle(cycle: float) -> None:
    assert not all(kills(cycle, timeout) for timeout in range(1, 100))


SLOW = {"slow": {"timeout": 600}, "slower": {"timeout": 600, "retry": 900}, "as all": {"workers": 1}}
OF_SLOW = "Q_CLUSTER['ALT_CLUSTERS']['slow']"


@pytest.mark.parametrize(
    ("cluster", "identity", "said"),
    [
        ({"timeout": 60, "retry": 60}, "E010", "Q_CLUSTER['retry'] is 60 and its timeout 60:"),
        ({"timeout": 90, "retry": 60.5}, "E010", "60.5 and its timeout 90:"),
        ({"timeout": "60", "retry": 90}, "E010", "90 and its timeout '60':"),
        ({"retry": None}, "E010", "None and its timeout 60:"),
        # an own timeout of one cluster is measured against the retry of all
        ({"timeout": 60, "retry": 90, "ALT_CLUSTERS": SLOW}, "E010", f"{OF_SLOW}['retry'] is 90 and its timeout 600:"),
        ({"timeout": None, "retry": 120}, "W001", "longer than 120 s, its retry"),
        ({"timeout": 0, "retry": 40}, "W001", "longer than 40 s, its retry"),
        ({"guard_cycle": 0.3}, "E011", "it takes 1, 0.5, 0.25, 0.125, "),
        *(({"guard_cycle": cycle}, "E011", f"['guard_cycle'] is {cycle!r}: ") for cycle in [*INEXACT, *NO_TIMES]),
    ],
)
def test_a_clock_that_is_wrong_is_told_and_the_hint_sets_it(cluster: dict[str, Any], identity: str, said: str) -> None:
    assert_mended(check_timers, {"Q_CLUSTER": cluster}, identity, said)
