"""What the overview tells, and its page."""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app.console import dashboard
from signals_app.console.dashboard import failure_groups, percentiles, place_of, running_by_worker
from signals_app.console.queries import Waiting
from signals_app.ledger import new_emission
from signals_app.ledger.sql import rows
from signals_app.models import Delivery, Outcome, PauseKind, State
from signals_app.monitoring import health
from signals_app.processes.identity import current_process, resident_bytes
from tests.signals_app.console.admin.rows import OVERVIEW, at, attempt, copies, delivery

pytestmark = pytest.mark.django_db

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
    due_at = started_at - timedelta(seconds=waited)
    times = {"finished_at": finished_at, "started_at": started_at, "due_at": due_at, "enqueued_at": due_at}
    delivery(state, **{**times, "emission": UUID(int=0), **fields})  # an emission of long ago


def said(alive: Sequence[str] = ("sigdemo",)) -> list[str]:
    """Return the banners' texts while these queues have a cluster."""
    return [banner.text for banner in found(alive)]


def found(alive: Sequence[str] = ("sigdemo",)) -> list[dashboard.Banner]:
    return dashboard.banners(ledger.current_stats(), alive, health.failing(ledger.recent_attempts()))


def test_percentiles_are_of_what_is_known() -> None:
    assert percentiles([None, *range(101)]) == {"p50": 50, "p95": 95}
    assert percentiles([None, 3]) == {"p50": 3, "p95": 3}
    assert percentiles([None]) == {}


def test_receivers_and_queues_tell_how_much_failed_and_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        ended(State.SUCCESSFUL, receiver="quick", queue="a", ran=number)
    ended(State.FAILED, receiver="quick", queue="b", ran=9)
    ended(State.FAILED, receiver="a slow one", queue="b", ran=60, waited=-5)
    found = dashboard.overview()
    quick, slow = found["receivers"]
    assert (quick["name"], quick["count"], quick["failed"], quick["share"]) == ("quick", 4, 1, 0.25)
    assert (quick["ran"]["p50"], slow["ran"]["p50"]) == (1.5, 60)
    assert (slow["name"], slow["waited"]) == ("a slow one", {})
    assert slow["error"]["receiver"] == "a slow one"
    (of_b,) = [runs for queue, runs in found["queues"] if queue.name == "b"]
    assert (of_b["count"], of_b["failed"], found["is_sample"]) == (2, 2, False)
    monkeypatch.setattr("signals_app.ledger.NEWEST", 3)  # of a state
    assert dashboard.overview()["is_sample"]


@pytest.mark.database
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
    for outcome in (Outcome.SKIPPED, Outcome.EXPIRED, Outcome.CANCELLED, Outcome.RETRY_AFTER):
        attempt(delivery(State.CANCELLED, finished_at=now), 1, outcome=outcome, finished_at=now)  # no errors

    group, alone = failure_groups()

    assert (group["error_class"], len(group["ids"])) == ("builtins.ValueError", 3)
    assert (group["place"], group["latest"]) == ("orders/receivers.py:12 in print_label", now)
    assert group["message"] == "password=******** 0"
    assert (alone["place"], alone["ids"]) == ("", [other.id])
    assert place_of("no frames") == ""


def test_a_queue_that_no_cluster_serves_is_named() -> None:
    assert said(alive=[])[0] == "No cluster is running, so no delivery is being processed."
    delivery(queue="mail")
    delivery(queue="sigdemo")
    assert "No cluster is running for the queue mail." in said()
    assert "No cluster is running for the queue elsewhere." in said()  # a receiver of the tests names it
    assert not any("cluster" in text and "sigdemo" in text for text in said())
    cures = {banner.text: banner.cure for banner in [*found(), *found(alive=[])]}
    assert "one: Q_CLUSTER_NAME=mail python manage.py qcluster" in cures["No cluster is running for the queue mail."]
    assert cures[said(alive=[])[0]].endswith("one: python manage.py qcluster")
    for number in range(12):
        delivery(queue=f"mail {number}")
    assert sum(text.startswith("No cluster is running for") for text in said()) == 10
    assert any("more queues have no cluster." in text for text in said())


@pytest.mark.parametrize(("most", "lacks"), [(300, False), (99, True)])
def test_a_queue_that_needs_no_cluster_standing_by_is_named_when_work_waits_too_long_in_it(
    most: int, lacks: bool
) -> None:
    delivery(queue="mail", due_at=timezone.now() - timedelta(seconds=100))
    with override_settings(SIGNALS_APP={"ON_DEMAND_QUEUES": ("mail",), "HEALTH_MAX_WAIT": most}):
        assert ("No cluster is running for the queue mail." in said()) == lacks


def test_a_rising_depth_is_told_with_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def rising() -> list[str]:
        return [text for text in said() if text.startswith("The depth is rising")]

    monkeypatch.setattr(dashboard, "DEPTH", 3)
    assert rising() == []
    for _ in range(3):
        delivery(emission=new_emission())
    (text,) = rising()
    assert "3 enqueued in the last 5 minutes, 0 ended, 3 are due" in text
    with override_settings(SIGNALS_APP={"LEASES": 3}):
        assert said()[-1] == text  # the worst first
    for _ in range(4):
        ended(State.SUCCESSFUL)
    assert rising() == []


def test_a_wrong_setting_is_told() -> None:
    with override_settings(SIGNALS_APP={"LEASES": 3}):
        assert "SIGNALS_APP has an unknown key 'LEASES'. (signals_app.E002)" in said()
        with override_settings(SILENCED_SYSTEM_CHECKS=["signals_app.E002"]):
            assert not any("signals_app.E002" in text for text in said())


def test_a_cluster_whose_statistic_cannot_be_read_is_listed_all_the_same() -> None:
    ledger.keep_stat("q:1", "forged", queue="q", host="vm", seconds=60)
    (cluster,) = dashboard.fleet()
    assert (cluster["seen"].host, cluster["status"], cluster["workers"]) == ("vm", None, [])


def test_a_worker_is_known_by_host_and_pid() -> None:
    delivery(State.RUNNING, owner=str(current_process()), receiver="first")
    delivery(State.RUNNING, owner="nobody", receiver="stray")
    running = {worker: one.receiver for worker, one in running_by_worker().items()}
    assert running == {(current_process().host, os.getpid()): "first"}


def test_memory_is_told_of_processes_of_this_host_only() -> None:
    assert (resident_bytes(socket.gethostname(), os.getpid()) or 0) > 1_000_000
    assert resident_bytes("elsewhere", os.getpid()) is None
    assert resident_bytes(socket.gethostname(), 2**30) is None


@pytest.mark.database
def test_cards_link_to_the_lists_that_they_count(boss: Client) -> None:
    now = timezone.now()
    for _ in range(3):
        delivery()
    delivery(unroutable=True)
    delivery(attempts=1)
    delivery(State.RUNNING, started_at=now - timedelta(minutes=5))
    delivery(State.RUNNING, started_at=now)
    for minutes in (5, 50, 90):
        delivery(State.SUCCESSFUL, finished_at=now - timedelta(minutes=minutes))
        one = delivery(State.FAILED, finished_at=now - timedelta(minutes=minutes))
        attempt(one, outcome="LOST", finished_at=now - timedelta(minutes=minutes))
    cards = [card for card in boss.get(reverse(OVERVIEW)).context["cards"] if card["url"]]
    assert {card["label"]: card["value"] for card in cards} == {
        "waiting": 5,
        "failing now, to be retried": 1,
        "running": 2,
        "running for over a minute": 1,
        "succeeded, last hour": 2,
        "failed, last hour": 2,
        "attempts lost, last hour": 2,
    }
    for card in cards:
        assert boss.get(card["url"]).context["cl"].queryset.count() == card["value"], card["label"]


@pytest.mark.database
@pytest.mark.parametrize("pauses_receiver", [False, True])
def test_what_waits_is_the_sum_of_six_columns_that_link_to_the_lists_that_they_count(
    boss: Client, pauses_receiver: bool
) -> None:
    later = timezone.now() + timedelta(hours=1)
    for queue, receiver in itertools.product(("mail", "print"), ("a", "b")):
        for unroutable, attempts, due_at in itertools.product((False, True), (0, 2), (later, at(0))):
            delivery(queue=queue, receiver=receiver, unroutable=unroutable, attempts=attempts, due_at=due_at)
        delivery(queue=queue, receiver=receiver, lane="one", parked=True, behind=True, attempts=1)
    delivery(queue="print", parked=True)  # of a pause that has ended just now
    ledger.pause(PauseKind.QUEUE, "mail")
    if pauses_receiver:
        ledger.pause(PauseKind.RECEIVER, "a")

    queues = boss.get(reverse(OVERVIEW)).context["queues"]

    numbers = {queue.name: {str(label): number for label, number, _url in counts} for queue, counts, _ in queues}
    both = 1 if pauses_receiver else 2  # receivers that run
    columns = {"Due": both, "Scheduled": both, "Retrying": 2 * both, "Behind": both, "Unroutable": 4 * both}
    assert numbers == {
        "mail": dict.fromkeys(columns, 0) | {"Waiting": 18, "Paused": 18, "Running": 0},
        "print": columns | {"Waiting": 19, "Paused": 19 - 9 * both, "Running": 0},
    }
    now, pauses = timezone.now(), ledger.pauses()
    for _queue, counts, _runs in queues:
        for label, number, url in counts:
            rows = boss.get(url).context["cl"].queryset
            assert rows.count() == number, url
            if label not in ("Waiting", "Running"):  # each row says the same of itself
                assert {Waiting.of(row, pauses, now) for row in rows} <= {str(label).lower()}


def test_a_word_says_how_it_goes_and_the_first_sentence_says_why() -> None:
    def word() -> tuple[str, str]:
        banners = found(["sigdemo", "elsewhere", "lab-crash"])
        return str(dashboard.worst(banners).label), banners[0].text if banners else ""

    assert word() == ("healthy", "")
    late = delivery(due_at=timezone.now() - timedelta(seconds=130))
    assert word() == (
        "working off a backlog",
        "A delivery in the queue sigdemo has waited for 2\N{NO-BREAK SPACE}min 10\N{NO-BREAK SPACE}s.",
    )
    fails_twice = delivery(attempts=2, receiver="shop.print")
    for number in (1, 2):
        attempt(fails_twice, number, finished_at=timezone.now())
    reason = "shop.print fails: 2 of its 2 attempts in the last 5 minutes failed, more than 25%."
    assert word() == ("failing", reason)
    with override_settings(SIGNALS_APP={"HEALTH_MAX_FAILING": 100}):
        assert word()[0] == "working off a backlog"
    assert dashboard.worst(found([])) == "stopped"
    for one in (late, fails_twice):  # which succeeds in the end
        Delivery.objects.filter(pk=one.pk).update(state=State.SUCCESSFUL, finished_at=timezone.now())
    assert word() == ("healthy", "")


@pytest.mark.database
def test_a_database_that_cannot_tell_leaves_the_transaction_of_whoever_asks_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert dashboard.condition() == "stopped"
    monkeypatch.setattr(ledger, "current_stats", lambda: rows("SELECT no_such_column FROM {table}"))
    assert dashboard.condition() is None
    assert not Delivery.objects.exists()


def test_a_receiver_that_fails_comes_first_and_its_errors_are_grouped_while_they_are_retried(boss: Client) -> None:
    ended(State.SUCCESSFUL, receiver="shop.mail")
    for _ in range(2):
        attempt(delivery(attempts=1, receiver="shop.print"), traceback=TRACEBACK, finished_at=timezone.now())
    page = boss.get(reverse(OVERVIEW))
    failing, fine = page.context["receivers"]
    assert (failing["name"], failing["is_failing"], failing["error"]["place"]) == (
        "shop.print",
        True,
        "orders/receivers.py:12 in print_label",
    )
    assert (fine["name"], fine["is_failing"]) == ("shop.mail", False)
    (group,) = page.context["failures"]
    assert (group["count"], group["retried"], group["ids"]) == (2, 2, [])
    text = " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())
    assert "2 of 2 (100%)" in text
    assert re.search(r"2 deliveries of shop\.print, the latest .* ago, 2 being retried", text)
    assert "Retry this group" not in text


def test_a_thousand_queues_are_no_page_without_end(boss: Client) -> None:
    copies(delivery(State.READY), 1_000, queue="'q' || number.i")
    late = delivery(State.READY, queue="zzz", due_at=at(-3_600))

    page = boss.get(reverse(OVERVIEW))

    shown = [queue.name for queue, *_ in page.context["queues"]]
    assert len(shown) == 100
    assert late.queue in shown  # what waits longest
    assert "more queues, in which nothing has waited longer" in page.content.decode()
    assert sum("cluster" in banner.text for banner in page.context["banners"]) < 15
