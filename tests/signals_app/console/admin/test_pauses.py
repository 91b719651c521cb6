"""Queues and receivers are paused and resumed, from the overview and from a delivery's page, and every page says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.console.operations import OPERATIONS, Operator, set_paused
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, PauseKind, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, OVERVIEW, client_of, delivery, page_of
from tests.testapp.receivers import nothing

pytestmark = pytest.mark.django_db

NOBODY = Operator(name="a terminal")


def post(client: Client, back: str = "", **fields: str) -> Any:
    return client.post(reverse("admin:signals_app_overview_pause"), {**fields, "back": back}, follow=True)


def buttons(client: Client, one: Delivery) -> list[str]:
    """Return the words of the buttons beside the receiver and the queue."""
    origin = client.get(page_of(one)).content.decode().partition('id="delivery-origin"')[2].partition("</section>")[0]
    return [part.partition(">")[2].split(" <")[0] for part in origin.split("<button")[1:]]


@pytest.mark.parametrize(("kind", "column"), [("QUEUE", "queue"), ("RECEIVER", "receiver")])
def test_it_is_paused_and_resumed_once_and_every_page_says_so(boss: Client, kind: str, column: str) -> None:
    one = delivery(receiver=nothing.key, queue="mail")
    named = {"kind": kind, "name": str(getattr(one, column))}
    assert buttons(boss, one) == ["Pause", "Pause"]
    for changed in (True, False):
        answer = post(boss, back=page_of(one), do="pause", **named)
        assert answer.redirect_chain == [(page_of(one), 302)]
        assert [message.level_tag for message in answer.context["messages"]] == ["success" if changed else "warning"]
    assert sorted(buttons(boss, one)) == ["Pause", "Resume"]
    assert ledger.claim("mail", owner="", limit=1, lease=1) == []
    for address in (reverse(OVERVIEW), reverse(DELIVERIES), page_of(one), reverse(ATTEMPTS)):
        assert "Paused:" in boss.get(address).content.decode(), address
    for changed in (True, False):
        answer = post(boss, back=page_of(one), do="resume", **named)
        assert [message.level_tag for message in answer.context["messages"]] == ["success" if changed else "warning"]
        assert "Paused:" not in answer.content.decode()
    assert len(ledger.claim("mail", owner="", limit=1, lease=1)) == 1
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["Paused.", "Resumed."]


def test_a_schedule_is_paused_and_resumed_on_the_overview(boss: Client) -> None:
    later = timezone.now() + timedelta(hours=3)
    ledger.enter_schedule("orders.closing", "0 3 * * * UTC", first=later, now=later, replaces=True)
    named = {"kind": "SCHEDULE", "name": "orders.closing"}

    def section() -> str:
        page = boss.get(reverse(OVERVIEW)).content.decode()
        return page.partition('id="overview-schedules"')[2].partition("</section>")[0]

    assert "0 3 * * * UTC" in section()
    asked = post(boss, do="ask", **named).content.decode()
    assert "Its signal is not sent while it is paused. Ticks of that time are left out." in asked
    assert "is paused" in post(boss, do="pause", **named).content.decode()
    assert ledger.is_paused(PauseKind.SCHEDULE, "orders.closing")
    assert "Resume" in section()
    assert "Its ticks are left out." in boss.get(reverse(DELIVERIES)).content.decode()
    post(boss, do="resume", **named)
    assert not ledger.is_paused(PauseKind.SCHEDULE, "orders.closing")


def test_a_pause_of_something_else_is_not_said_on_a_deliverys_page(reader: Client) -> None:
    one = delivery(receiver="label", queue="mail")
    ledger.pause(PauseKind.QUEUE, "label")
    ledger.pause(PauseKind.RECEIVER, "mail")
    assert "Paused:" not in reader.get(page_of(one)).content.decode()


@pytest.mark.parametrize("do", ["pause", "resume"])
def test_it_takes_its_permission_and_its_token(reader: Client, do: str) -> None:
    failed = delivery(State.FAILED)
    if do == "resume":
        ledger.pause(PauseKind.QUEUE, "sigdemo")
    named = {"kind": "QUEUE", "name": "sigdemo", "do": do}
    other = client_of("other", "view_delivery", *(f"{name}_delivery" for name in OPERATIONS))
    pauser = client_of("pauser", "view_delivery", "pause_delivery")
    assert [len(buttons(client, failed)) for client in (reader, other, pauser)] == [0, 0, 2]
    pauser.handler.enforce_csrf_checks = True
    for client in (reader, other, pauser):
        assert post(client, **named).status_code == 403
        assert ledger.is_paused(PauseKind.QUEUE, "sigdemo") == (do == "resume")
    pauser.handler.enforce_csrf_checks = False
    assert post(pauser, **named).status_code == 200
    assert ledger.is_paused(PauseKind.QUEUE, "sigdemo") == (do == "pause")


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_leads_nowhere_else(boss: Client, back: str) -> None:
    answer = post(boss, back=back, kind="QUEUE", name="sigdemo", do="pause")
    assert answer.redirect_chain == [(reverse(OVERVIEW), 302)]


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
    assert post(boss, **data).status_code == 400


def test_a_pause_is_asked_about_and_its_reason_and_end_are_told_wherever_it_is(boss: Client) -> None:
    one = delivery()
    named = {"kind": "QUEUE", "name": "sigdemo"}
    assert 'name="do" value="ask"' in boss.get(page_of(one)).content.decode()
    asked = post(boss, back=page_of(one), do="ask", **named).content.decode()
    assert "<h1>Pause the queue sigdemo?</h1>" in asked
    assert "What waits for the queue sigdemo is kept" in asked  # themes may show no heading
    assert 'value="pause">Pause queue</button>' in asked
    assert f'href="{page_of(one)}">Keep it running</a>' in asked
    assert ledger.pauses() == []
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=2)
    said = {"reason": "no paper", "until": f"{until:%Y-%m-%dT%H:%M}"}
    assert post(boss, back=page_of(one), do="pause", **named, **said).redirect_chain == [(page_of(one), 302)]
    words = f"by boss until {until:%Y-%m-%d %H:%M} (no paper)"
    for address in (reverse(OVERVIEW), reverse(DELIVERIES), page_of(one), reverse(ATTEMPTS)):
        assert f"queue sigdemo {words}. What waits for it is kept." in boss.get(address).content.decode(), address
    assert f"paused</span> {words}" in boss.get(reverse(DELIVERIES)).content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "a" * 256}, "Ensure this value has at most 255 characters"),
        ({"reason": "a\0b"}, "Null characters are not allowed."),
        ({"until": "soon"}, "Enter a valid date/time."),
        ({"until": "2026-02-30T12:00"}, "Enter a valid date/time."),
        ({"until": "2020-01-01T12:00"}, "A pause ends in the future and within a year."),
        ({"until": "9999-12-31T23:59"}, "A pause ends in the future and within a year."),
        ({"name": "elsewere"}, "There is no queue"),
    ],
)
def test_a_slip_in_the_form_is_told_there_and_pauses_nothing(
    boss: Client, settings: Settings, fields: dict[str, str], said: str
) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith("sigdemo.")]  # refuses a NUL itself
    with timezone.override("America/New_York"):
        page = post(boss, **{"kind": "QUEUE", "name": "sigdemo", "do": "pause", "reason": "no paper"} | fields)
    assert said in page.content.decode()
    assert ('value="no paper"' in page.content.decode()) == ("reason" not in fields)
    assert ledger.pauses() == []


def test_a_paused_receiver_that_did_nothing_can_be_resumed_from_the_overview(boss: Client) -> None:
    ledger.pause(PauseKind.RECEIVER, "label")
    (row,) = boss.get(reverse(OVERVIEW)).context["receivers"]
    assert (row["name"], row["count"], row["error"], row["is_paused"]) == ("label", 0, None, True)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [("QUEUE", "elsewere", "There is no queue"), ("RECEIVER", "nothin", "This process knows no receiver")],
)
def test_a_slip_of_the_pen_pauses_nothing(boss: Client, kind: str, name: str, said: str) -> None:
    assert said in post(boss, kind=kind, name=name, do="pause").content.decode()
    with pytest.raises(OperationRefused, match=said):
        set_paused(PauseKind(kind), name, True, by=NOBODY)
    assert ledger.pauses() == []


def test_who_did_it_is_remembered_and_work_may_wait_for_a_receiver_that_nobody_knows() -> None:
    delivery(receiver="gone")
    set_paused(PauseKind.RECEIVER, "gone", True, by=Operator.of(User.objects.create_user("ada")))
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.object_repr) == ("ada", "receiver gone")
