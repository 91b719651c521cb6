"""A delivery's receiver and queue are paused and resumed from its page, which says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from signals_app import ledger
from signals_app.models import Delivery, PauseKind, State
from tests.signals_app.console.admin.rows import delivery, page_of
from tests.signals_app.console.admin.staff import client_of

pytestmark = pytest.mark.django_db

each_kind = pytest.mark.parametrize("kind", [PauseKind.RECEIVER, PauseKind.QUEUE], ids=["receiver", "queue"])


def post(client: Client, one: Delivery, kind: PauseKind, do: str, **more: str) -> Any:
    """Do what the button on a delivery's page does."""
    name = one.receiver if kind == PauseKind.RECEIVER else one.queue
    fields = {"kind": kind.value, "name": name, "do": do, "back": page_of(one), **more}
    return client.post(reverse("admin:signals_app_overview_pause"), fields, follow=True)


def buttons(client: Client, one: Delivery) -> list[str]:
    """Return the words of the buttons beside the receiver and the queue."""
    origin = client.get(page_of(one)).content.decode().partition('id="delivery-origin"')[2].partition("</section>")[0]
    return [part.partition(">")[2].split(" <")[0] for part in origin.split("<button")[1:]]


@each_kind
def test_it_is_paused_and_resumed_and_the_page_says_so(boss: Client, kind: PauseKind) -> None:
    one = delivery()
    said = f"Paused:</strong> {kind.label} {one.receiver if kind == PauseKind.RECEIVER else one.queue} by boss."
    assert buttons(boss, one) == ["Pause", "Pause"]
    for told in ("is paused", "was so already"):
        answer = post(boss, one, kind, "pause")
        assert answer.redirect_chain == [(page_of(one), 302)]
        assert told in answer.content.decode()
        assert said in answer.content.decode()
    assert sorted(buttons(boss, one)) == ["Pause", "Resume"]
    for told in ("is resumed", "was so already"):
        answer = post(boss, one, kind, "resume")
        assert told in answer.content.decode()
        assert "Paused:" not in answer.content.decode()
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["Paused.", "Resumed."]


def test_a_pause_of_something_else_is_not_said_here(reader: Client) -> None:
    one = delivery(receiver="label", queue="mail")
    ledger.pause(PauseKind.QUEUE, "label")
    ledger.pause(PauseKind.RECEIVER, "mail")
    assert "Paused:" not in reader.get(page_of(one)).content.decode()


def test_buttons_are_for_those_who_may_pause_also_where_a_delivery_is_over(boss: Client, reader: Client) -> None:
    one = delivery(State.FAILED)
    assert (buttons(boss, one), buttons(reader, one)) == (["Pause", "Pause"], [])
    assert buttons(client_of("pauser", "view_delivery", "pause_delivery"), one) == ["Pause", "Pause"]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_leads_nowhere_else(boss: Client, back: str) -> None:
    answer = post(boss, delivery(), PauseKind.QUEUE, "pause", back=back)
    assert answer.redirect_chain == [(reverse("admin:signals_app_overview_changelist"), 302)]
