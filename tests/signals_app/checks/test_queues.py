"""What is said of queues that no cluster serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from signals_app.checks import check_queues
from signals_app.dispatcher import QueuedReceiver
from tests.signals_app.checks.said import said

Make = Callable[..., QueuedReceiver]


def work(sender: object, **kwargs: Any) -> None: ...


def told_of(queue: str) -> list[tuple[str, str, str | None]]:
    return [one for one in said(check_queues(None)) if f"in the queue {queue!r}" in one[1]]


def test_a_queue_that_no_cluster_serves_is_a_warning(made: Make) -> None:
    made(work, key="a", queue="mial")
    hint = (
        'Correct the name, or write Q_CLUSTER["ALT_CLUSTERS"]["mial"] = {} and start that cluster with '
        "Q_CLUSTER_NAME=mial manage.py qcluster."
    )
    assert told_of("mial") == [
        ("signals_app.W003", "a waits in the queue 'mial', which is no cluster of Q_CLUSTER.", hint)
    ]
    made(work, key="b", queue="mial")
    made(work, key="c", queue="mial")
    assert told_of("mial") == [
        ("signals_app.W003", "a and 2 more wait in the queue 'mial', which is no cluster of Q_CLUSTER.", hint)
    ]


def test_a_default_queue_that_no_cluster_serves_is_a_warning(made: Make) -> None:
    made(work)
    with override_settings(SIGNALS_APP={"QUEUE": "mian"}):
        ((identity, *_),) = told_of("mian")
    assert identity == "signals_app.W003"


@pytest.mark.parametrize("queue", ["mail", "main", "shop"])
def test_the_main_cluster_the_others_and_the_one_of_this_process_serve_a_queue(
    queue: str, made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "shop")
    made(work, queue=queue)
    with override_settings(Q_CLUSTER={"name": "main", "ALT_CLUSTERS": {"mail": {}}}):
        assert told_of(queue) == []
