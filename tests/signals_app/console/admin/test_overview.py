"""The overview's page, and where it pauses and resumes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.models import State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, at, attempt, copies, delivery, page_of

pytestmark = pytest.mark.django_db

URL = "/admin/signals_app/overview/"


def pause(client: Client, **data: str) -> int:
    """Post to the address that pauses and resumes; return the status."""
    return client.post(reverse("admin:signals_app_overview_pause"), data).status_code


@pytest.mark.database
def test_cards_link_to_the_lists_that_they_count(boss: Client) -> None:
    now = timezone.now()
    for _ in range(3):
        delivery()
    delivery(unroutable=True)
    delivery(State.RUNNING, started_at=now - timedelta(minutes=5))
    delivery(State.RUNNING, started_at=now)
    for minutes in (5, 50, 90):
        delivery(State.SUCCESSFUL, finished_at=now - timedelta(minutes=minutes))
        one = delivery(State.FAILED, finished_at=now - timedelta(minutes=minutes))
        attempt(one, outcome="LOST", finished_at=now - timedelta(minutes=minutes))
    cards = [card for card in boss.get(URL).context["cards"] if card["url"]]
    assert {card["label"]: card["value"] for card in cards} == {
        "waiting": 4,
        "running": 2,
        "running for over a minute": 1,
        "succeeded, last hour": 2,
        "failed, last hour": 2,
        "attempts lost, last hour": 2,
        "unroutable": 1,
    }
    for card in cards:
        assert boss.get(card["url"]).context["cl"].queryset.count() == card["value"], card["label"]


def test_a_thousand_queues_are_no_page_without_end(boss: Client) -> None:
    copies(delivery(State.READY), 1_000, queue="'q' || number.i")
    late = delivery(State.READY, queue="zzz", due_at=at(-3_600))

    page = boss.get(URL)

    shown = [queue.name for queue, _ in page.context["queues"]]
    assert len(shown) == 100
    assert late.queue in shown  # what waits longest
    assert "more queues, in which nothing has waited longer" in page.content.decode()
    assert sum("cluster" in banner["text"] for banner in page.context["banners"]) < 15


def test_a_queue_is_paused_and_resumed_and_every_page_says_so(boss: Client) -> None:
    one = delivery(queue="mail")
    assert pause(boss, kind="QUEUE", name="mail", do="pause") == 302
    assert ledger.claim("mail", owner="", limit=1, lease=1) == []
    for address in (URL, reverse(DELIVERIES), page_of(one), reverse(ATTEMPTS)):
        assert "Paused:" in boss.get(address).content.decode(), address
    assert pause(boss, kind="QUEUE", name="mail", do="resume") == 302
    assert "Paused:" not in boss.get(URL).content.decode()
    assert len(ledger.claim("mail", owner="", limit=1, lease=1)) == 1
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == ["Paused.", "Resumed."]


def test_a_paused_receiver_that_did_nothing_can_be_resumed_from_the_page(boss: Client) -> None:
    delivery(receiver="label")
    pause(boss, kind="RECEIVER", name="label", do="pause")
    (row,) = boss.get(URL).context["receivers"]
    assert (row["name"], row["count"], row["error"], row["is_paused"]) == ("label", 0, None, True)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "QUEUE", "name": "mail"},
        {"kind": "PET", "name": "mail", "do": "pause"},
        {"kind": "QUEUE", "name": "a\0b", "do": "pause"},
        {"kind": "RECEIVER", "name": "a\0b", "do": "resume"},
    ],
)
def test_a_pause_of_nothing_is_a_bad_request(boss: Client, settings: Settings, data: dict[str, str]) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith("sigdemo.")]  # refuses a NUL itself
    assert pause(boss, **data) == 400


def test_a_queue_that_nobody_knows_is_not_paused(boss: Client) -> None:
    assert boss.get(reverse("admin:signals_app_overview_pause")).status_code == 405
    assert pause(boss, kind="QUEUE", name="mial", do="pause") == 302
    assert "There is no queue" in boss.get(URL).content.decode()
    assert list(ledger.pauses()) == []
