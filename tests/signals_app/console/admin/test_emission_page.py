"""The page of one ``send()``."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.http import Http404
from django.test import Client
from django.urls import reverse

from signals_app.console.admin.emission import WIDTH, page_of_emission
from signals_app.models import Delivery, Outcome, State
from tests.signals_app.console.admin.rows import at, attempt, delivery, page_of

pytestmark = pytest.mark.django_db

EMISSION = uuid4()


def url() -> str:
    return reverse("admin:signals_app_emission", args=[EMISSION])


def test_a_lane_is_waits_and_attempts_in_their_order_on_one_axis() -> None:
    retried = delivery(State.SUCCESSFUL, emission=EMISSION, attempts=2, started_at=at(60), finished_at=at(100))
    attempt(retried, started_at=at(10), finished_at=at(20))
    delivery(emission=EMISSION)
    delivery()
    page = page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(200))
    lane, waiting = page["lanes"]
    assert [(step["kind"], step.get("label"), step["took"], step["x"], step["width"]) for step in lane["steps"]] == [
        ("wait", None, "10.00\N{NO-BREAK SPACE}s", 0, 50),
        ("error", "1: error", "10.00\N{NO-BREAK SPACE}s", 50, 50),
        ("wait", None, "40.00\N{NO-BREAK SPACE}s", 100, 200),
        ("successful", "2: successful", "40.00\N{NO-BREAK SPACE}s", 300, 200),
    ]
    assert [(step["kind"], step["x"], step["width"]) for step in waiting["steps"]] == [("wait", 0, WIDTH)]
    assert [lane["due"] for lane in page["lanes"]] == ["", "3\N{NO-BREAK SPACE}min 20\N{NO-BREAK SPACE}s ago"]
    assert not page["is_final"]


def test_what_is_final_does_not_grow() -> None:
    one = delivery(State.FAILED, emission=EMISSION)
    attempt(one, outcome=Outcome.TIMEOUT, started_at=at(9), finished_at=at(4))  # by clocks that disagree
    delivery(State.CANCELLED, emission=EMISSION)
    page = page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(9_999))
    assert page["is_final"]
    assert page["took"] == "5.00\N{NO-BREAK SPACE}s"
    failed, cancelled = ([(step["kind"], step["width"]) for step in lane["steps"]] for lane in page["lanes"])
    assert (failed, cancelled) == ([("wait", WIDTH), ("timeout", 4)], [("wait", WIDTH)])


def test_it_shows_what_was_sent_with_secrets_masked_and_what_operators_did(boss: Client) -> None:
    sending = delivery()
    one = delivery(State.FAILED, emission=EMISSION, payload='{"arguments":{"password":"hunter2","order":7}}')
    Delivery.objects.filter(pk=one.pk).update(sent_by="ada", sent_from=f"delivery #{sending.pk}")
    delivery(emission=EMISSION, payload='{"arguments":{"order":7}}', receiver="shop.receivers.other")
    attempt(one, message="token=abcdef", error_class="shop.Trouble")
    boss.post(reverse("admin:signals_app_delivery_operate", args=[one.pk, "retry"]), {"confirmed": "yes"})
    page = boss.get(url()).content.decode()
    assert "hunter2" not in page
    assert "abcdef" not in page
    assert "To shop.receivers.other" in page
    assert "Retried, with up to" in page
    assert page_of(one) in page
    assert "<dt>Sent by</dt><dd>ada</dd>" in page
    of_one = boss.get(page_of(one)).content.decode()
    assert url() in of_one
    link = f'<a href="{page_of(sending)}">delivery #{sending.pk}</a>'
    assert link in page
    assert link in of_one


def test_where_it_was_sent_from_has_its_secrets_masked(boss: Client) -> None:
    delivery(emission=EMISSION, sent_from="POST /reset/token=abc123def/")
    assert "<dd>POST /reset/token=********" in boss.get(url()).content.decode()


def test_an_emission_that_does_not_exist_is_not_found(reader: Client) -> None:
    assert reader.get(url()).status_code == 404
    with pytest.raises(Http404):
        page_of_emission(EMISSION, Delivery.objects.all(), site="admin", now=at(0))
