"""What is done from a delivery's own page: who is offered what, what it asks, what changes, and back to the page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals_app.console.operations import OPERATIONS as ACTIONS
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import delivery, operate_url, page_of
from tests.signals_app.console.admin.staff import client_of
from tests.testapp.receivers import nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

KEPT = "?_changelist_filters=state%3DFAILED"
TO = {"move": "elsewhere", "reassign": nothing.key}

each_action = pytest.mark.parametrize("name", ["retry", "cancel", "run_now", "move", "reassign"])


def one_for(name: str) -> Delivery:
    """Write a delivery to which an action can be done."""
    fields: dict[str, dict[str, Any]] = {
        "retry": {"state": State.FAILED},
        "run_now": {"due_at": timezone.now() + timedelta(hours=1)},
        "reassign": {"unroutable": True},
    }
    return delivery(**fields.get(name, {}))


def post(client: Client, one: Delivery, name: str, **fields: str) -> Any:
    return client.post(operate_url(one, name) + KEPT, fields)


def confirm(client: Client, one: Delivery, name: str) -> str:
    """Do an action whose target is chosen and which is confirmed; return what the user is told on the page."""
    answer = client.post(operate_url(one, name) + KEPT, {"to": TO.get(name, ""), "confirmed": "yes"}, follow=True)
    assert answer.redirect_chain == [(page_of(one) + KEPT, 302)]
    return " ".join(str(message) for message in answer.context["messages"])


def row(one: Delivery) -> dict[str, Any]:
    return {**Delivery.objects.filter(pk=one.pk).values().get()}


def offered(client: Client, one: Delivery) -> list[str]:
    """Return the names of the actions whose buttons are on a delivery's page."""
    page = client.get(page_of(one)).content.decode()
    return [name for name in ACTIONS if f'action="{operate_url(one, name)}"' in page]


@pytest.mark.parametrize(
    ("name", "changed", "told", "remembered"),
    [
        ("retry", {"state": "READY"}, "1 delivery is ready again.", "Retried, with up to 5 more attempts."),
        ("cancel", {"state": "CANCELLED"}, "1 delivery was cancelled.", "Cancelled."),
        ("run_now", {}, "1 delivery is due now.", "Made due now."),
        (
            "move",
            {"queue": "elsewhere"},
            "1 delivery is in the queue elsewhere now.",
            "Moved to the queue elsewhere.",
        ),
        (
            "reassign",
            {"receiver": nothing.key, "unroutable": False},
            f"1 delivery waits for {nothing.key} now.",
            f"Given to the receiver {nothing.key}.",
        ),
    ],
    ids=["retry", "cancel", "run_now", "move", "reassign"],
)
def test_an_action_is_asked_about_and_done_and_leads_back(
    boss: Client, name: str, changed: dict[str, Any], told: str, remembered: str
) -> None:
    one = one_for(name)
    before = row(one)
    assert name in offered(boss, one)

    page = post(boss, one, name).content.decode()
    if name in TO:
        assert f"<option>{TO[name]}</option>" in page
        assert "This changes" not in page
        page = post(boss, one, name, to=TO[name]).content.decode()
    assert "This changes 1 delivery." in page
    assert f"<h2>{one}</h2>" in page
    assert f'href="{page_of(one)}{KEPT}"' in page
    assert row(one) == before

    assert confirm(boss, one, name) == told
    after = row(one)
    assert {field: after[field] for field in changed} == changed
    assert after != before
    assert after["due_at"] <= timezone.now()
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (str(one.pk), remembered)


@each_action
def test_a_second_submit_changes_nothing_more(boss: Client, name: str) -> None:
    one = one_for(name)
    confirm(boss, one, name)
    after = row(one)
    assert "was left as it is." in confirm(boss, one, name)
    assert row(one) == after
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["cancel", "move"]),
        ({"due_at": timezone.now() + timedelta(days=9)}, ["cancel", "run_now", "move"]),
        ({"unroutable": True}, ["cancel", "move", "reassign"]),
        ({"state": State.RUNNING, "unroutable": True}, []),
        ({"state": State.SUCCESSFUL}, []),
        ({"state": State.FAILED}, ["retry"]),
        ({"state": State.CANCELLED}, ["retry"]),
    ],
    ids=["ready", "later", "unroutable", "running", "successful", "failed", "cancelled"],
)
def test_what_the_state_allows_is_offered_and_nothing_else_can_be_done(
    boss: Client, fields: dict[str, Any], names: list[str]
) -> None:
    one = delivery(**fields)
    before = row(one)
    assert offered(boss, one) == names
    for name in ACTIONS.keys() - set(names):
        page = post(boss, one, name, to=TO.get(name, "")).content.decode()
        assert "This changes 0 deliveries." in page
        assert " disabled>" in page
        assert "was left as it is." in confirm(boss, one, name)
    assert row(one) == before
    assert not LogEntry.objects.exists()


@each_action
def test_a_permission_is_for_one_action(name: str) -> None:
    client = client_of("one", "view_delivery", f"{name}_delivery")
    one = delivery(unroutable=True, due_at=timezone.now() + timedelta(hours=1))
    failed = delivery(State.FAILED)
    assert [*offered(client, failed), *offered(client, one)] == [name]
    for other in ACTIONS.keys() - {name}:
        assert post(client, one_for(other), other, to=TO.get(other, ""), confirmed="yes").status_code == 403
    assert not LogEntry.objects.exists()


@each_action
def test_whoever_may_only_look_is_offered_nothing_and_forges_nothing(reader: Client, name: str) -> None:
    one = one_for(name)
    before = row(one)
    assert offered(reader, one) == []
    assert "<button" not in reader.get(page_of(one)).content.decode().partition('id="content-main"')[2]
    for fields in ({}, {"to": TO.get(name, ""), "confirmed": "yes"}):
        assert post(reader, one, name, **fields).status_code == 403
    assert row(one) == before
    assert not LogEntry.objects.exists()


@each_action
def test_only_a_post_with_its_token_changes(boss: Client, name: str) -> None:
    one = one_for(name)
    before = row(one)
    assert boss.get(operate_url(one, name), {"confirmed": "yes"}).status_code == 405
    boss.handler.enforce_csrf_checks = True
    assert post(boss, one, name, to=TO.get(name, ""), confirmed="yes").status_code == 403
    assert row(one) == before


def test_a_target_that_does_not_exist_is_refused_on_the_page(boss: Client) -> None:
    one = delivery(unroutable=True)
    for name, told in (("move", "There is no queue 'mial'."), ("reassign", "This process knows no receiver 'mial'.")):
        answer = boss.post(operate_url(one, name), {"to": "mial"}, follow=True)
        assert answer.redirect_chain == [(page_of(one), 302)]
        assert told in " ".join(str(message) for message in answer.context["messages"])


def test_the_page_remembers_the_filters_that_led_to_it(boss: Client) -> None:
    failed = delivery(State.FAILED)
    assert f'action="{operate_url(failed, "retry")}{KEPT}"' in boss.get(page_of(failed) + KEPT).content.decode()


@pytest.mark.parametrize(("key", "name"), [("12345", "retry"), ("nonsense", "retry"), ("12", "delete")])
def test_what_does_not_exist_is_not_found(boss: Client, key: str, name: str) -> None:
    delivery(pk=12)
    address = reverse("admin:signals_app_delivery_operate", args=[key, name])
    assert boss.post(address, {"confirmed": "yes"}).status_code == 404
