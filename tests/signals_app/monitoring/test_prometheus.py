"""What Prometheus is told, and who may ask."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver, batch
from signals_app.ledger import Count, TallyKey
from signals_app.models import ClusterStat, Delivery, Measure, PauseKind
from signals_app.monitoring import metrics
from signals_app.worker import loop
from tests.cluster import ROOT
from tests.testapp import receivers
from tests.testapp.receivers import enqueue
from tests.testapp.signals import batch_settled

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-the-tests"
Value = Callable[..., float | None]


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.SIGNALS_APP = {"METRICS_TOKEN": TOKEN}


def scrape(client: Client, **headers: str) -> str:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", **headers})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the value of each sample by its name and labels."""
    families: Iterable[Metric] = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


@pytest.fixture
def value(client: Client) -> Value:
    """Scrape, and return the value of one sample, or None; a receiver stands for its queue and its key."""

    def of(name: str, receiver: QueuedReceiver | None = None, /, **labels: str) -> float | None:
        who = {"queue": conf.queue, "receiver": receiver.key} if receiver else {}
        return samples(scrape(client)).get((name, frozenset({**labels, **who}.items())))

    return of


@pytest.mark.parametrize("authorization", ["", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00fc"])
def test_who_does_not_bear_the_token_is_told_nothing(client: Client, authorization: str, settings: Settings) -> None:
    answer = client.get("/metrics", headers={"Authorization": authorization})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"signals_app_" not in answer.content
    settings.SIGNALS_APP = {}
    assert client.get("/metrics", headers={"Authorization": authorization}).status_code == 404


def test_the_answer_is_for_prometheus_alone(client: Client) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.get("/metrics", headers=bearer)
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in answer["Cache-Control"]
    assert client.head("/metrics", headers=bearer).status_code == 200
    assert client.post("/metrics", headers=bearer).status_code == 405


def test_a_login_that_every_page_requires_is_not_required_here(client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert client.get("/shop/").status_code == 302
    assert client.get("/health/live/").status_code == 200
    assert "signals_app_deliveries" in scrape(client)


def test_open_metrics_are_spoken_where_they_are_asked_for(client: Client) -> None:
    enqueue(receivers.nothing)
    loop.drain(conf.queue)
    text = scrape(client, Accept="application/openmetrics-text; version=1.0.0")
    families: Iterable[Metric] = openmetrics_families(text)  # type: ignore[no-untyped-call]
    assert {"signals_app_attempts", "signals_app_wait_seconds"} <= {one.name for one in families}


@pytest.mark.database
def test_what_waits_and_runs_is_numbered_by_state_queue_and_receiver(value: Value) -> None:
    later = enqueue(receivers.delayed_work)
    Delivery.objects.filter(pk=later.pk).update(due_at=later.due_at + timedelta(hours=1))
    for _ in range(3):
        enqueue(receivers.nothing)
    ledger.claim(conf.queue, owner="", limit=1, lease=30)
    enqueue(receivers.gives_up)
    loop.drain(enqueue(receivers.gives_up).queue)
    for _ in range(2):
        enqueue(receivers.nothing)
    assert value("signals_app_deliveries", receivers.gives_up, state="FAILED") == 2
    assert value("signals_app_deliveries", receivers.nothing, state="READY") == 2
    assert value("signals_app_deliveries", receivers.nothing, state="RUNNING") == 1
    assert value("signals_app_deliveries_due", receivers.nothing) == 2
    assert value("signals_app_deliveries", receivers.delayed_work, state="READY") == 1
    assert value("signals_app_deliveries_due", receivers.delayed_work) == 0
    assert value("signals_app_deliveries", receivers.work, state="READY") == 0


def test_what_is_paused_is_not_due_and_what_no_worker_knows_is_told(value: Value) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(receiver="gone.receiver")
    loop.drain(conf.queue)
    assert value("signals_app_deliveries_unroutable", queue=conf.queue, receiver="gone.receiver") == 1
    enqueue(receivers.nothing)
    assert value("signals_app_deliveries_unroutable", receivers.nothing) == 0
    assert value("signals_app_deliveries_due", receivers.nothing) == 1
    ledger.pause(PauseKind.RECEIVER, receivers.nothing.key)
    assert value("signals_app_deliveries_due", receivers.nothing) == 0
    assert value("signals_app_deliveries", receivers.nothing, state="READY") == 1
    assert value("signals_app_paused", kind="RECEIVER", name=receivers.nothing.key) == 1


@pytest.mark.database
def test_what_waits_for_lanes_rates_and_batches_is_told(value: Value) -> None:
    with batch(on_done=batch_settled):
        for _ in range(3):
            enqueue(receivers.ten_a_minute)
    loop.drain(conf.queue)
    Delivery.objects.filter(booked=True).update(lane="lamp", behind=True, parked=True)
    assert value("signals_app_deliveries_booked", receivers.ten_a_minute) == 2
    assert value("signals_app_deliveries_behind", receivers.ten_a_minute) == 2
    assert value("signals_app_deliveries_booked", receivers.nothing) == 0
    assert value("signals_app_batches") == 1


@pytest.mark.database
def test_queues_have_their_oldest_wait_and_their_clusters(value: Value) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at - timedelta(seconds=100))
    for number, seconds in ((1, 60), (2, 60), (3, -1)):
        ledger.keep_stat(f"{number}", "signed", queue=conf.queue, host="vm", seconds=seconds)
    ClusterStat.objects.exclude(key="2").update(seen_at=timezone.now() - timedelta(hours=1))
    wait = value("signals_app_oldest_wait_seconds", queue=conf.queue)
    assert wait is not None
    assert 100 <= wait < 130
    assert value("signals_app_oldest_wait_seconds", queue="elsewhere") == 0
    assert value("signals_app_clusters", queue=conf.queue) == 2
    assert value("signals_app_clusters", queue="elsewhere") == 0
    age = value("signals_app_cluster_heartbeat_age_seconds", queue=conf.queue, host="vm")
    assert age is not None
    assert 0 <= age < 30


def test_a_queue_on_demand_has_a_number_of_clusters_only_while_it_has_or_lacks_one(
    value: Value, settings: Settings
) -> None:
    settings.SIGNALS_APP |= {"ON_DEMAND_QUEUES": ("elsewhere",), "HEALTH_MAX_WAIT": 99}
    assert value("signals_app_clusters", queue="elsewhere") is None
    assert value("signals_app_oldest_wait_seconds", queue="elsewhere") == 0
    delivery = enqueue(receivers.nothing)
    Delivery.objects.update(queue="elsewhere", due_at=delivery.due_at - timedelta(seconds=100))
    assert value("signals_app_clusters", queue="elsewhere") == 0
    ledger.keep_stat("1", "signed", queue="elsewhere", host="vm", seconds=60)
    assert value("signals_app_clusters", queue="elsewhere") == 1


@pytest.mark.database
def test_attempts_are_counted_by_how_they_ended(value: Value) -> None:
    assert value("signals_app_attempts_total", receivers.nothing, outcome="SUCCESSFUL") == 0
    enqueue(receivers.nothing)
    enqueue(receivers.gives_up)
    loop.drain(conf.queue)
    enqueue(receivers.nothing)
    ledger.claim(conf.queue, owner="vm/boot/12/34", limit=1, lease=0)
    DeliveryBroker(list_key=conf.queue)._recover_lost()
    assert value("signals_app_attempts_total", receivers.nothing, outcome="SUCCESSFUL") == 1
    assert value("signals_app_attempts_total", receivers.nothing, outcome="LOST") == 1
    assert value("signals_app_lease_losses_total", receivers.nothing, cause="LeaseExpired") == 1
    assert value("signals_app_attempts_total", receivers.gives_up, outcome="ERROR") == 1
    assert value("signals_app_failures_total", receivers.gives_up) == 1
    assert value("signals_app_failures_total", receivers.nothing) == 0


def test_what_was_merged_is_counted_and_is_no_attempt(value: Value) -> None:
    assert value("signals_app_merged_total", receivers.nothing) == 0
    for _ in range(3):
        enqueue(receivers.nothing)
    Delivery.objects.update(coalesce_key="lamp")
    loop.drain(conf.queue)
    assert value("signals_app_merged_total", receivers.nothing) == 2
    assert value("signals_app_attempts_total", receivers.nothing, outcome="SUCCESSFUL") == 1


def test_waits_and_runs_are_histograms_and_no_count_goes_down_when_deliveries_are_deleted(client: Client) -> None:
    for _ in range(3):
        enqueue(receivers.nothing)
    loop.drain(conf.queue)
    key, queue = receivers.nothing.key, conf.queue
    never_ran = TallyKey(measure=Measure.RUN, receiver=key, queue=queue, detail="EXPIRED", bound="5")
    ledger.add_tallies({never_ran: Count(count=7)})
    found = samples(scrape(client))
    who = {"queue": conf.queue, "receiver": receivers.nothing.key}.items()
    for name in ("signals_app_wait_seconds", "signals_app_run_seconds"):
        assert found[f"{name}_count", frozenset(who)] == 3
        assert found[f"{name}_bucket", frozenset({*who, ("le", "+Inf")})] == 3
        assert found[f"{name}_bucket", frozenset({*who, ("le", "300.0")})] == 3
        assert 0 < found[f"{name}_sum", frozenset(who)] < 30
    Delivery.objects.all().delete()
    assert samples(scrape(client)) == found


def test_a_scrape_asks_as_many_questions_of_many_rows_as_of_few(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    enqueue(receivers.nothing)
    with CaptureQueriesContext(connection) as asked:
        scrape(client)
    questions = len(asked)
    for _ in range(50):
        enqueue(receivers.nothing)
    loop.drain(conf.queue)
    for _ in range(50):
        enqueue(receivers.nothing)
    with django_assert_num_queries(questions):
        scrape(client)


def test_a_registry_of_another_can_hold_the_collector_without_a_database(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    registry = CollectorRegistry(auto_describe=True)
    with django_assert_num_queries(0):
        registry.register(metrics.DeliveryCollector())
    assert registry.get_sample_value("signals_app_clusters", {"queue": conf.queue}) == 0


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_is_told_without_its_secrets(
    client: Client, lost_database: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.1)
    lost_database("gone")
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.content) == (503, b"The database does not answer.\n")


def test_without_the_extra_all_else_works() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import django; django.setup()\n"
        "from django.urls import NoReverseMatch, reverse\n"
        "print(reverse('signals_app:live'))\n"
        "try: reverse('signals_app:metrics')\n"
        "except NoReverseMatch: print('none')\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.split() == ["/health/live/", "none"], ended.stderr


def test_what_is_counted_is_gone_through_once_however_many_receivers_there_are() -> None:
    class Counted(dict[TallyKey, Count]):
        """Tallies that count how often somebody goes through them."""

        times = 0

        def items(self) -> Any:
            self.times += 1
            return super().items()

    keys = (TallyKey(measure=Measure.RUN, queue="q", receiver=str(n), detail="", bound="+Inf") for n in range(100))
    tallies = Counted(dict.fromkeys(keys, Count(count=1, seconds=1.0)))
    assert metrics._histogram("name", "text", tallies, Measure.RUN).samples
    assert tallies.times == 1
