"""The page of one ``send()``."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from signals_app.console.admin.emission import WIDTH, page_of_emission
from signals_app.models import Delivery, Outcome, State
from tests.signals_app.console.admin.rows import at, attempt, copies, delivery, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EMISSION = uuid4()


def url() -> str:
    return reverse("admin:signals_app_emission", args=[EMISSION])


def test_a_lane_is_waits_and_attempts_in_their_order_on_one_axis() -> None:
    retried = delivery(State.SUCCESSFUL, emission=EMISSION, attempts=2, started_at=at(60), finished_at=at(100))
    attempt(retried, started_at=at(10), finished_at=at(20))
    delivery(emission=EMISSION)
    delivery()
    page = page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(200))
    assert page is not None
    lane, waiting = page.lanes
    assert [(step.kind, step.label, step.took) for step in lane.steps] == [
        ("wait", "", "10.00\N{NO-BREAK SPACE}s"),
        ("error", "1: error", "10.00\N{NO-BREAK SPACE}s"),
        ("wait", "", "40.00\N{NO-BREAK SPACE}s"),
        ("successful", "2: successful", "40.00\N{NO-BREAK SPACE}s"),
    ]
    assert [(step.x, step.width) for step in lane.steps] == [(0, 50), (50, 50), (100, 200), (300, 200)]
    assert [(step.kind, step.x, step.width) for step in waiting.steps] == [("wait", 0, WIDTH)]
    assert [lane.due for lane in page.lanes] == ["", "3\N{NO-BREAK SPACE}min 20\N{NO-BREAK SPACE}s ago"]
    assert not page.is_final


def test_what_is_final_does_not_grow() -> None:
    one = delivery(State.FAILED, emission=EMISSION)
    attempt(one, outcome=Outcome.TIMEOUT)
    delivery(State.CANCELLED, emission=EMISSION)
    page = page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(9_999))
    assert page is not None
    assert page.is_final
    assert page.took == "5.00\N{NO-BREAK SPACE}s"
    assert [step.kind for step in page.lanes[0].steps] == ["wait", "timeout"]


def test_it_shows_what_was_sent_with_secrets_masked_and_what_operators_did(boss: Client) -> None:
    one = delivery(State.FAILED, emission=EMISSION, payload='{"arguments":{"password":"hunter2","order":7}}')
    delivery(emission=EMISSION, payload='{"arguments":{"order":7}}', receiver="shop.receivers.other")
    attempt(one, message="token=abcdef", error_class="shop.Trouble")
    boss.post(reverse("admin:signals_app_delivery_operate", args=[one.pk, "retry"]), {"confirmed": "yes"})
    page = boss.get(url()).content.decode()
    assert "hunter2" not in page
    assert "abcdef" not in page
    assert "To shop.receivers.other" in page
    assert "Retried, with up to" in page
    assert page_of(one) in page
    assert url() in boss.get(page_of(one)).content.decode()


def test_it_is_for_those_who_may_see_deliveries(reader: Client, outsider: Client, client: Client) -> None:
    delivery(emission=EMISSION)
    assert reader.get(url()).status_code == 200
    assert outsider.get(url()).status_code == 403
    assert client.get(url()).status_code == 302
    assert reader.post(url()).status_code == 405


def test_an_emission_that_does_not_exist_is_not_found(reader: Client) -> None:
    assert reader.get(url()).status_code == 404
    assert page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(0)) is None


def test_hostile_text_is_escaped(boss: Client) -> None:
    evil = "<script>alert(1)</script>"
    one = delivery(State.FAILED, emission=EMISSION, receiver=evil, sender=evil, signal=evil, payload=evil)
    attempt(one, error_class=evil, message=evil * 300, traceback=evil, finished_at=at(2) - timedelta(seconds=5))
    assert "<script>alert" not in boss.get(url()).content.decode()


def test_the_queries_are_as_many_for_many_deliveries(boss: Client, django_assert_max_num_queries: object) -> None:
    def count() -> int:
        with django_assert_max_num_queries(30) as asked:  # type: ignore[operator]
            boss.get(url())
        return len(asked)

    attempt(delivery(State.FAILED, emission=EMISSION))
    few = count()
    for _ in range(9):
        attempt(failed := delivery(State.FAILED, emission=EMISSION))
    assert count() == few
    copies(failed, 290)
    copies(failed.failed_attempts.get(), 10_000, number="i")
    assert count() == few


def test_it_says_who_sent_it_and_from_where(boss: Client) -> None:
    delivery(emission=EMISSION, sent_by="<b>ada</b>", sent_from="POST /reset/token=abc123def/<script>/")
    page = boss.get(url()).content.decode()
    assert "<dt>Sent by</dt><dd>&lt;b&gt;ada&lt;/b&gt;</dd>" in page
    assert "POST /reset/token=********" in page
    assert "abc123def" not in page
    assert "<script>/" not in page


def test_what_a_receiver_sent_links_to_its_delivery(boss: Client) -> None:
    sending = delivery()
    sent = delivery(emission=EMISSION, sent_from=f"delivery #{sending.pk}")
    link = f'<a href="{page_of(sending)}">delivery #{sending.pk}</a>'
    assert link in boss.get(url()).content.decode()
    assert link in boss.get(page_of(sent)).content.decode()
