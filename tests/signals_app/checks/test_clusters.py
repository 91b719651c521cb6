"""What is said of a ``Q_CLUSTER`` that would not run deliveries."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import override_settings

from signals_app.checks import check_alternatives, check_broker, check_sync, check_task_database
from signals_app.checks.clusters import BROKER
from signals_app.cluster import broker
from tests.signals_app.checks.said import said


def only_mail(**values: Any) -> Any:
    """Return settings whose main cluster is well and whose cluster ``mail`` has these values."""
    return override_settings(Q_CLUSTER={"name": "main", "broker_class": BROKER, "ALT_CLUSTERS": {"mail": values}})


@pytest.mark.parametrize("cluster", [{}, {"broker_class": None}, None])
def test_another_broker_would_wake_nobody(cluster: dict[str, Any] | None) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert said(check_broker(None)) == [
            (
                "signals_app.E004",
                "Q_CLUSTER['broker_class'] is None, so no worker is woken for deliveries.",
                'Set Q_CLUSTER["broker_class"] = "signals_app.cluster.broker.DeliveryBroker".',
            )
        ]


def test_another_broker_of_one_cluster_is_told_of_that_cluster() -> None:
    with only_mail(broker_class="django_q.brokers.orm.ORM"):
        assert said(check_broker(None)) == [
            (
                "signals_app.E004",
                (
                    "Q_CLUSTER['ALT_CLUSTERS']['mail']['broker_class'] is 'django_q.brokers.orm.ORM', so no worker is "
                    "woken for deliveries."
                ),
                'Set Q_CLUSTER["broker_class"] = "signals_app.cluster.broker.DeliveryBroker".',
            )
        ]


@pytest.mark.parametrize("path", ["nowhere.Broker", f"{broker.__name__}.hint", f"{broker.__name__}.LOOK"])
def test_a_path_that_is_no_broker_wakes_nobody(path: str) -> None:
    with only_mail(broker_class=path):
        assert [one[0] for one in said(check_broker(None))] == ["signals_app.E004"]


def test_a_broker_made_from_ours_wakes_workers() -> None:
    with only_mail(broker_class="tests.faults.brokers.StrayingHints"):
        assert not check_broker(None)


def test_what_all_clusters_have_wrong_is_said_once() -> None:
    with override_settings(Q_CLUSTER={"ALT_CLUSTERS": {"mail": {}, "bulk": {"workers": 1}}}):
        assert len(check_broker(None)) == 1


@pytest.mark.parametrize(
    ("cluster", "place"),
    [
        ({"sync": True}, "Q_CLUSTER"),
        ({"sync": False, "ALT_CLUSTERS": {"mail": {"sync": True}}}, "Q_CLUSTER['ALT_CLUSTERS']['mail']"),
    ],
)
def test_a_cluster_that_runs_tasks_where_they_are_asked_for_is_for_tests_alone(
    cluster: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert check_sync(None) == []
        monkeypatch.delattr(mail, "outbox")  # what Django's test environment has, and nothing else
        assert said(check_sync(None)) == [
            (
                "signals_app.E012",
                (
                    f"{place}['sync'] is True: plain tasks run in the process that asks for them, and a cluster's "
                    "processes share one database connection."
                ),
                "Remove it; it is for tests.",
            )
        ]


@pytest.mark.parametrize("orm", ["defualt", ""])
def test_a_database_of_plain_tasks_that_is_not_there_is_named(orm: str) -> None:
    with only_mail(orm=orm):
        assert said(check_task_database(None)) == [
            (
                "signals_app.E013",
                (
                    f"Q_CLUSTER['ALT_CLUSTERS']['mail']['orm'] names the database {orm!r}, which DATABASES does not "
                    "configure."
                ),
                "Name one of default, other.",
            )
        ]


@pytest.mark.parametrize("orm", ["default", "other", None])
def test_a_database_that_is_there_is_right(orm: str | None) -> None:
    with override_settings(Q_CLUSTER={"orm": orm}):
        assert check_task_database(None) == []


@pytest.mark.parametrize(
    ("others", "place", "kind"),
    [
        (["mail"], "Q_CLUSTER['ALT_CLUSTERS']", "list"),
        (None, "Q_CLUSTER['ALT_CLUSTERS']", "NoneType"),
        ({"bulk": {}, "mail": 4}, "Q_CLUSTER['ALT_CLUSTERS']['mail']", "int"),
    ],
)
def test_further_clusters_that_django_q_would_pass_over_are_told(others: Any, place: str, kind: str) -> None:
    with override_settings(Q_CLUSTER={"ALT_CLUSTERS": others}):
        assert said(check_alternatives(None)) == [
            (
                "signals_app.E014",
                f"{place} is a {kind}, not a dict, and Django-Q passes over it.",
                'Write Q_CLUSTER["ALT_CLUSTERS"] = {"mail": {"workers": 1}}.',
            )
        ]


def test_a_cluster_named_by_the_environment_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "mial")
    with only_mail():
        assert said(check_alternatives(None)) == [
            (
                "signals_app.W002",
                (
                    "The environment variable Q_CLUSTER_NAME is 'mial', which Q_CLUSTER['ALT_CLUSTERS'] does not name: "
                    "a cluster that is started here takes the main one's settings and serves that queue alone."
                ),
                'Correct the variable, or write Q_CLUSTER["ALT_CLUSTERS"]["mial"] = {}.',
            )
        ]


@pytest.mark.parametrize("name", ["mail", "main", ""])
def test_a_cluster_that_the_settings_name_may_be_named_by_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", name)
    with only_mail():
        assert check_alternatives(None) == []
