"""What load balancers and orchestrators are told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.forms import model_to_dict
from django.test import Client
from pytest_django import Settings

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.ledger.sql import query_deadline
from signals_app.models import Delivery, PauseKind
from signals_app.monitoring import health
from tests.testapp.receivers import delayed_work, enqueue, in_another_queue, nothing

transactional = pytest.mark.django_db(transaction=True)


def keep_clusters(*, seconds: float = 60) -> None:
    """Let every queue that a receiver names have a cluster."""
    for queue in {receiver.options.queue for receiver in registry.all()}:
        ledger.keep_stat(f"{queue}:1", "signed", queue=queue, host="vm-of-a-secret-name", seconds=seconds)


def ask(client: Client, status: int, path: str = "/health/") -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert "no-store" in response["Cache-Control"]
    found: dict[str, Any] = response.json()
    return found


@transactional
def test_all_is_well_while_every_queue_has_a_cluster_and_nothing_that_is_due_waits(client: Client) -> None:
    keep_clusters()
    enqueue(delayed_work)
    found = ask(client, 200)
    assert "secret" not in str(found)  # no host is named
    assert (found["status"], found["problems"], found["database"]) == ("ok", [], True)
    assert found["queues"][conf.queue] == {"clusters": 1, "oldest_wait": 0.0}
    assert in_another_queue.options.queue in found["queues"]


@transactional
def test_a_queue_without_a_cluster_is_named_and_mailed_to_nobody(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    keep_clusters()
    ledger.keep_stat("elsewhere:1", "signed", queue="elsewhere", host="vm", seconds=-1)
    found = ask(client, 503)
    assert (found["status"], found["problems"]) == ("failing", ["The queue elsewhere has no living cluster."])
    assert not [record for record in caplog.records if record.name == "django.request"]  # an error would be mailed
    Delivery.objects.filter(pk=enqueue(nothing).pk).update(queue="forgotten")  # in which work waits
    assert "The queue forgotten has no living cluster." in ask(client, 503)["problems"]


def stand_in_line(queues: int) -> None:
    """Let a delivery wait in each of so many queues."""
    row = model_to_dict(enqueue(nothing), exclude=["id"]) | {"emission": uuid4()}
    Delivery.objects.bulk_create(Delivery(**row | {"queue": f"q{number:05}"}) for number in range(queues))


@transactional
def test_a_stranger_is_told_of_no_more_than_fifty_queues_and_asks_no_more_of_the_database_for_it(
    client: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    keep_clusters()
    with transaction.atomic():  # else the look has a connection of its own
        with django_assert_num_queries(2):
            before = ask(client, 200)
        stand_in_line(2_000)
        with django_assert_num_queries(2):
            found = ask(client, 503)
    assert len(found["queues"]) == 50
    assert not before["queues"].keys() & found["queues"].keys()  # those with a problem come first
    assert found["problems"][49:] == ["The queue q00049 has no living cluster.", "There are 1950 more problems."]


@transactional
def test_a_queue_on_demand_needs_a_cluster_only_when_work_waits_too_long_in_it(
    client: Client, settings: Settings
) -> None:
    keep_clusters()
    settings.SIGNALS_APP = {"ON_DEMAND_QUEUES": ("bulk",)}
    delivery = enqueue(nothing)
    Delivery.objects.filter(pk=delivery.pk).update(queue="bulk", due_at=delivery.due_at - timedelta(seconds=100))
    assert ask(client, 200)["queues"]["bulk"]["clusters"] == 0
    assert "The queue bulk has no living cluster." in health.look(max_wait=99).problems()  # what a command may say
    settings.SIGNALS_APP = {"ON_DEMAND_QUEUES": ("bulk",), "HEALTH_MAX_WAIT": 99}
    lacking, late = ask(client, 503)["problems"]
    assert lacking == "The queue bulk has no living cluster."
    assert late.startswith("A delivery in the queue bulk has waited for 10")


@transactional
def test_a_wait_beyond_the_setting_is_told_with_both_numbers(client: Client, settings: Settings) -> None:
    keep_clusters()
    delivery = enqueue(nothing)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at - timedelta(seconds=100))
    assert 100 <= ask(client, 200)["queues"][conf.queue]["oldest_wait"] < 130
    settings.SIGNALS_APP = {"HEALTH_MAX_WAIT": 99.5}
    (problem,) = ask(client, 503)["problems"]
    assert problem.startswith(f"A delivery in the queue {conf.queue} has waited for 10")
    assert problem.endswith(" s, more than 99.5 s.")


@transactional
def test_what_is_paused_does_not_wait(client: Client) -> None:
    keep_clusters()
    delivery = enqueue(nothing)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at - timedelta(days=1))
    ask(client, 503)
    ledger.pause(PauseKind.RECEIVER, nothing.key)
    ask(client, 200)
    ledger.resume(PauseKind.RECEIVER, nothing.key)
    ledger.pause(PauseKind.QUEUE, conf.queue)
    ask(client, 200)


@pytest.mark.database
@transactional
@pytest.mark.parametrize("way", ["gone", "silent"])
@pytest.mark.parametrize("path", ["/health/", "/health/ready/"])
def test_a_database_that_does_not_answer_is_told_without_its_secrets(
    way: str,
    path: str,
    client: Client,
    lost_database: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.1)  # with the twenty seconds of the settings this test would show
    lost_database(way)
    assert ask(client, 503, path) == {
        "status": "failing",
        "problems": ["The database does not answer."],
        "database": False,
        "queues": {},
    }
    assert "The health check cannot read the database: " in caplog.text


def test_a_process_lives_whatever_its_database_does(client: Client) -> None:
    """No database may be touched in this test."""
    assert ask(client, 200, "/health/live/") == {"status": "ok"}


@transactional
@pytest.mark.parametrize("path", ["/health/ready/", "/health/live/"])
def test_a_process_without_a_cluster_is_ready_and_only_reading_is_answered(path: str, client: Client) -> None:
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert client.post(path).status_code == 405


def test_a_probe_is_not_redirected_to_https(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/health/live/").status_code == 200
    assert client.get("/shop/").status_code == 301


@pytest.mark.database
@transactional
def test_a_hurried_connection_has_limits_of_its_own_and_is_gone_after_the_block() -> None:
    own = connections["default"]
    with query_deadline(1.5):
        brief = connections["default"]
        with brief.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout" if brief.vendor == "sqlite" else "SHOW statement_timeout")
            assert cursor.fetchone() in ((1500,), ("1500ms",))
    assert brief is not own
    assert brief.connection is None
    assert connections["default"] is own


@pytest.mark.django_db
def test_within_a_transaction_its_own_connection_is_hurried() -> None:
    own = connections["default"]
    with query_deadline(1):
        assert connections["default"] is own
