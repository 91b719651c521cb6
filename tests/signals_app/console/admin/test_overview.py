"""The overview's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.models import State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, at, attempt, copies, delivery, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def url(db: None) -> str:
    return reverse("admin:signals_app_overview_changelist")


def test_cards_link_to_the_lists_that_they_count(boss: Client, url: str) -> None:
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
    cards = boss.get(url).context["cards"]
    counts = {str(card.label): card.value for card in cards if card.url}
    assert counts == {
        "waiting": 4,
        "running": 2,
        "running for over a minute": 1,
        "succeeded, last hour": 2,
        "failed, last hour": 2,
        "attempts lost, last hour": 2,
        "unroutable": 1,
    }
    for card in cards:
        if card.url:
            assert boss.get(card.url).context["cl"].queryset.count() == card.value, card.label


def test_only_those_who_may_see_deliveries_see_it(reader: Client, outsider: Client, client: Client, url: str) -> None:
    assert reader.get(url).status_code == 200
    assert outsider.get(url).status_code == 403
    assert client.get(url).status_code == 302
    assert reader.post(url).status_code == 405


def test_only_those_who_may_retry_are_offered_to(boss: Client, reader: Client, url: str) -> None:
    attempt(delivery(State.FAILED, finished_at=timezone.now()))
    assert "Retry this group" in boss.get(url).content.decode()
    assert "Retry this group" not in reader.get(url).content.decode()


def test_hostile_text_is_escaped(boss: Client, url: str) -> None:
    evil = "<script>alert(1)</script>"
    one = delivery(State.FAILED, finished_at=timezone.now(), receiver=evil, queue=evil)
    attempt(one, error_class=evil, message=evil + "x" * 4096)
    delivery(queue=evil)
    answer = boss.get(url).content.decode()
    assert "<script>alert" not in answer
    assert "&lt;script&gt;alert(1)" in answer


def test_the_queries_are_as_many_for_many_rows_as_for_few(
    boss: Client, url: str, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(40) as asked:
            boss.get(url)
        return len(asked)

    delivery(State.FAILED, finished_at=timezone.now())
    few = count()
    for number in range(30):
        delivery(queue=f"queue {number}")
        failed = delivery(State.FAILED, finished_at=timezone.now(), receiver=f"receiver {number}")
        attempt(failed)
        delivery(State.RUNNING, receiver=f"receiver {number}")
    copies(delivery(), 10_000)
    copies(failed, 10_000)
    assert count() == few


def pause(client: Client, **data: str) -> int:
    """Post to the address that pauses and resumes; return the status."""
    return client.post(reverse("admin:signals_app_overview_pause"), data).status_code


def test_a_thousand_queues_are_no_page_without_end(boss: Client, url: str) -> None:
    copies(delivery(State.READY), 1_000, queue="'q' || number.i")
    late = delivery(State.READY, queue="zzz", due_at=at(-3_600))

    page = boss.get(url)

    shown = [queue.name for queue, _ in page.context["queues"]]
    assert len(shown) == 100
    assert late.queue in shown  # what waits longest
    assert "more queues, in which nothing has waited longer" in page.content.decode()
    assert sum("cluster" in banner.text for banner in page.context["overview"].banners) < 15


def test_a_queue_is_paused_and_resumed_and_every_page_says_so(boss: Client, url: str) -> None:
    one = delivery(queue="mail")
    assert pause(boss, kind="QUEUE", name="mail", do="pause") == 302
    assert ledger.claim("mail", owner="", limit=1, lease=1) == []
    for address in (url, reverse(DELIVERIES), page_of(one), reverse(ATTEMPTS)):
        assert "Paused:" in boss.get(address).content.decode(), address
    assert pause(boss, kind="QUEUE", name="mail", do="resume") == 302
    assert "Paused:" not in boss.get(url).content.decode()
    assert len(ledger.claim("mail", owner="", limit=1, lease=1)) == 1
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == ["Paused.", "Resumed."]


@pytest.mark.parametrize("do", ["pause", "resume"])
@pytest.mark.parametrize("kind", ["QUEUE", "RECEIVER"])
def test_a_name_with_a_nul_is_no_name(kind: str, do: str, boss: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith("sigdemo.")]
    assert pause(boss, kind=kind, name="a\0b", do=do) == 400


def test_a_paused_receiver_that_did_nothing_can_be_resumed_from_the_page(boss: Client, url: str) -> None:
    delivery(receiver="label")
    pause(boss, kind="RECEIVER", name="label", do="pause")
    ((runs, error, is_paused),) = boss.get(url).context["receivers"]
    assert (runs.name, runs.count, error, is_paused) == ("label", 0, None, True)


def test_a_pause_is_for_those_who_may_and_by_post_only(reader: Client, boss: Client, url: str) -> None:
    delivery(queue="mail")
    assert pause(reader, kind="QUEUE", name="mail", do="pause") == 403
    assert boss.get(reverse("admin:signals_app_overview_pause")).status_code == 405
    assert "Pause" not in reader.get(url).content.decode()
    assert list(ledger.pauses()) == []


@pytest.mark.parametrize(
    "data", [{}, {"kind": "QUEUE", "name": "mail"}, {"kind": "PET", "name": "mail", "do": "pause"}]
)
def test_a_pause_of_nothing_is_a_bad_request(boss: Client, data: dict[str, str]) -> None:
    assert pause(boss, **data) == 400


def test_a_queue_that_nobody_knows_is_not_paused(boss: Client, url: str) -> None:
    assert pause(boss, kind="QUEUE", name="mial", do="pause") == 302
    assert "There is no queue" in boss.get(url).content.decode()
    assert list(ledger.pauses()) == []
