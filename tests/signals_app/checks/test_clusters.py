"""What is said of a ``Q_CLUSTER`` that would not run deliveries, and of queues that no cluster serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.checks import CheckMessage
from django.test import override_settings

from signals_app.checks import check_alternatives, check_broker, check_queues, check_sync, check_task_database
from signals_app.cluster import broker
from signals_app.conf import BROKER
from signals_app.dispatcher import QueuedReceiver
from tests.signals_app.checks.said import assert_said

Make = Callable[..., QueuedReceiver]
OF_MAIL = "Q_CLUSTER['ALT_CLUSTERS']['mail']"


def only_mail(**values: Any) -> Any:
    """Return settings whose main cluster is well and whose cluster ``mail`` has these values."""
    return override_settings(Q_CLUSTER={"name": "main", "broker_class": BROKER, "ALT_CLUSTERS": {"mail": values}})


@pytest.mark.parametrize("cluster", [{}, None, {"orm": "other"}, {"orm": "default", "redis": {}}])
def test_a_project_that_names_no_broker_gets_ours(cluster: dict[str, Any] | None) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert [*check_broker()] == []


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"broker_class": None}, "Q_CLUSTER['broker_class'] is None"),
        ({"broker_class": None, "ALT_CLUSTERS": {"mail": {}, "bulk": {}}}, "Q_CLUSTER['broker_class'] is None"),
        ({"redis": {"host": "cache"}}, "Q_CLUSTER names the broker redis"),
        ({"orm": "default", "sqs": {"aws_region": "eu"}}, "Q_CLUSTER names the broker sqs"),
        ({"ALT_CLUSTERS": {"mail": {"mongo": {}}}}, f"{OF_MAIL} names the broker mongo"),
    ],
)
def test_another_broker_would_wake_nobody_and_is_told_once(cluster: dict[str, Any], said: str) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert_said(check_broker(), "E004", f"{said}, so no worker is woken for deliveries.")


@pytest.mark.parametrize(
    "path",
    ["django_q.brokers.orm.ORM", "nowhere.Broker", f"{broker.__name__}.hint", f"{broker.__name__}.LOOK"],
)
def test_another_broker_of_one_cluster_is_told_of_that_cluster(path: str) -> None:
    with only_mail(broker_class=path):
        assert_said(check_broker(), "E004", f"{OF_MAIL}['broker_class'] is {path!r}")


def test_a_broker_made_from_ours_wakes_workers() -> None:
    with only_mail(broker_class="tests.faults.sabotage.StrayingHints"):
        assert [*check_broker()] == []


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


@pytest.mark.parametrize("orm", ["defualt", ""])
def test_a_database_of_plain_tasks_that_is_not_there_is_named(orm: str) -> None:
    with only_mail(orm=orm):
        assert_said(check_task_database(), "E013", f"{OF_MAIL}['orm'] names the database {orm!r}")
    for right in ("default", "other", None):
        with override_settings(Q_CLUSTER={"orm": right}):
            assert [*check_task_database()] == []


@pytest.mark.parametrize(
    ("others", "place", "kind"),
    [
        (["mail"], "Q_CLUSTER['ALT_CLUSTERS']", "list"),
        (None, "Q_CLUSTER['ALT_CLUSTERS']", "NoneType"),
        ({"bulk": {}, "mail": 4}, OF_MAIL, "int"),
    ],
)
def test_further_clusters_that_django_q_would_pass_over_are_told(others: Any, place: str, kind: str) -> None:
    with override_settings(Q_CLUSTER={"ALT_CLUSTERS": others}):
        assert_said(check_alternatives(), "E014", f"{place} is a {kind}, not a dict")


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


def test_a_queue_that_no_cluster_serves_is_a_warning(made: Make) -> None:
    made(work, key="a", queue="mial")
    assert_said(
        told_of("mial"), "W003", "a waits in the queue 'mial', which is no cluster", '["ALT_CLUSTERS"]["mial"] = {}'
    )
    made(work, key="b", queue="mial")
    made(work, key="c", queue="mial")
    assert_said(told_of("mial"), "W003", "a and 2 more wait in the queue 'mial'")
    made(work)
    with override_settings(SIGNALS_APP={"QUEUE": "mian"}):
        assert_said(told_of("mian"), "W003")


@pytest.mark.parametrize("queue", ["mail", "main", "shop"])
def test_the_main_cluster_the_others_and_the_one_of_this_process_serve_a_queue(
    queue: str, made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "shop")
    made(work, queue=queue)
    with override_settings(Q_CLUSTER={"name": "main", "ALT_CLUSTERS": {"mail": {}}}):
        assert told_of(queue) == []
