"""Actions are counted and confirmed before anything changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, modify_settings, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import DELIVERIES, delivery
from tests.signals_app.console.admin.staff import client_of
from tests.testapp.receivers import nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def ask(client: Client, action: str, *rows: Delivery, query: str = "", **more: str) -> Any:
    """Choose an action for rows that are ticked, on a list that may be filtered."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0", **more}
    return client.post(f"{reverse(DELIVERIES)}{query}", data)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_nothing_changes_before_the_count_is_confirmed(operator: Client) -> None:
    failed, ready = delivery(State.FAILED), delivery()
    page = ask(operator, "retry", failed, ready).content.decode()
    assert "This changes 1 delivery." in page
    assert "2 are selected; those that are not in the right state stay as they are." in page
    assert states() == ["FAILED", "READY"]


@modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]})  # which another project does not have
@pytest.mark.parametrize("row", ["abc", "-1", "9" * 19, "9" * 30])
def test_what_is_no_row_is_refused(operator: Client, row: str) -> None:
    told = {"action": "retry", "_selected_action": row}
    assert operator.post(reverse(DELIVERIES), told).status_code == 400


def test_where_nothing_can_change_it_cannot_be_confirmed(operator: Client) -> None:
    page = ask(operator, "retry", delivery()).content.decode()
    assert "This changes 0 deliveries." in page
    assert "disabled" in page


def test_all_that_match_the_filter_are_taken_without_a_tick_and_the_filter_stays(operator: Client) -> None:
    for _ in range(3):
        delivery(State.FAILED, receiver="a")
    delivery(State.FAILED, receiver="b")
    query = "?state=FAILED&receiver=a"
    page = ask(operator, "retry", query=query, matching="on").content.decode()
    assert "This changes 3 deliveries." in page
    answer = ask(operator, "retry", query=query, select_across="1", _selected_action="0", confirmed="yes")
    assert answer.headers["Location"].endswith(query)
    assert states() == ["READY", "READY", "READY", "FAILED"]


def test_a_second_submit_of_the_confirmation_changes_nothing_more(operator: Client) -> None:
    one = delivery(State.FAILED)
    for _ in range(2):
        ask(operator, "retry", one, confirmed="yes")
    one.refresh_from_db()
    assert (one.state, one.max_attempts) == (State.READY, 6)


@override_settings(Q_CLUSTER={"name": "sigdemo", "ALT_CLUSTERS": {"mail": {}}})
def test_a_queue_is_chosen_then_confirmed_then_moved_to() -> None:
    mover = client_of("mover", "view_delivery", "move_delivery")
    waits, done = delivery(queue="sigdemo"), delivery(State.SUCCESSFUL, queue="sigdemo")
    page = ask(mover, "move", waits, done).content.decode()
    assert "<option>mail</option>" in page
    assert "This changes 1 delivery." in ask(mover, "move", waits, done, to="mail").content.decode()
    waits.refresh_from_db()
    assert waits.queue == "sigdemo"
    ask(mover, "move", waits, done, to="mail", confirmed="yes")
    assert list(Delivery.objects.order_by("pk").values_list("queue", flat=True)) == ["mail", "sigdemo"]


def test_a_queue_that_does_not_exist_is_refused_with_those_that_do() -> None:
    mover = client_of("mover", "view_delivery", "move_delivery")
    waits = delivery()
    answer = mover.post(
        reverse(DELIVERIES),
        {"action": "move", "_selected_action": [waits.pk], "index": "0", "to": "mial", "confirmed": "yes"},
        follow=True,
    )
    (said,) = [str(message) for message in answer.context["messages"]]
    assert said.startswith("There is no queue 'mial'. There are: ")


def test_what_is_unroutable_is_given_to_the_receiver_that_is_chosen() -> None:
    giver = client_of("giver", "view_delivery", "reassign_delivery")
    lost, known = delivery(unroutable=True), delivery()
    page = ask(giver, "reassign", lost, known).content.decode()
    assert f"<option>{nothing.key}</option>" in page
    assert "This changes 1 delivery." in ask(giver, "reassign", lost, known, to=nothing.key).content.decode()
    ask(giver, "reassign", lost, known, to=nothing.key, confirmed="yes")
    given = Delivery.objects.order_by("pk").values_list("receiver", "unroutable")
    assert list(given) == [(nothing.key, False), (known.receiver, False)]


def test_what_is_due_later_is_made_due_now() -> None:
    runner = client_of("runner", "view_delivery", "run_now_delivery")
    later = delivery(due_at=timezone.now() + timedelta(hours=1))
    ask(runner, "run_now", later, confirmed="yes")
    later.refresh_from_db()
    assert later.due_at <= timezone.now()


@pytest.mark.parametrize("action", ["retry", "cancel", "run_now", "move", "reassign"])
def test_whoever_may_only_look_is_offered_no_action_and_forges_none(reader: Client, action: str) -> None:
    delivery(State.FAILED)
    delivery(due_at=timezone.now() + timedelta(hours=1))
    before = list(Delivery.objects.order_by("pk").values())
    ask(reader, action, *Delivery.objects.all(), confirmed="yes", to="sigdemo")
    ask(reader, action, matching="on", confirmed="yes", to="sigdemo")
    assert list(Delivery.objects.order_by("pk").values()) == before
    assert f'<option value="{action}">' not in reader.get(reverse(DELIVERIES)).content.decode()
