"""Retry and cancel in the list: who may, what changes, what is said and what is remembered."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client, override_settings
from django.urls import reverse

from signals_app import ledger
from signals_app.conf import conf
from signals_app.console import operations
from signals_app.console.admin import actions
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import DELIVERIES, delivery, operate_url
from tests.signals_app.console.admin.staff import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def act(client: Client, action: str, *rows: Delivery, **more: str) -> list[str]:
    """Run an action on selected rows; return what the user is told."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0", "confirmed": "yes", **more}
    response = client.post(reverse(DELIVERIES), data, follow=True)
    assert response.redirect_chain == [(reverse(DELIVERIES), 302)]
    return [str(message) for message in response.context["messages"]]


def states(*rows: Delivery) -> list[str]:
    found = Delivery.objects.in_bulk([row.pk for row in rows])
    return [found[row.pk].state for row in rows]


def test_retry_says_how_many_are_ready_and_how_many_could_not(operator: Client) -> None:
    rows = {state: delivery(state) for state in State}

    told = act(operator, "retry", *rows.values())

    assert " ".join(told) == (
        "2 deliveries are ready again. 3 deliveries were neither failed nor cancelled and were left as they are."
    )
    assert states(*rows.values()) == ["READY", "RUNNING", "SUCCESSFUL", "READY", "READY"]


def test_cancel_says_how_many_are_cancelled_and_how_many_could_not(operator: Client) -> None:
    rows = {state: delivery(state) for state in State}

    told = act(operator, "cancel", *rows.values())

    assert told == ["1 delivery was cancelled. 4 deliveries were not ready and were left as they are."]
    assert states(*rows.values()) == ["CANCELLED", "RUNNING", "SUCCESSFUL", "FAILED", "CANCELLED"]


def test_all_well_is_said_in_one_sentence(operator: Client) -> None:
    assert act(operator, "retry", delivery(State.FAILED)) == ["1 delivery is ready again."]
    assert act(operator, "cancel", delivery(), delivery()) == ["2 deliveries were cancelled."]


@override_settings(SIGNALS_APP={"MAX_ATTEMPTS": 1})
def test_a_retry_grants_the_attempts_that_the_project_sets(operator: Client) -> None:
    failed = delivery(State.FAILED, attempts=3)
    assert act(operator, "retry", failed) == ["1 delivery is ready again."]
    failed.refresh_from_db()
    assert (failed.attempts, failed.max_attempts) == (3, 4)


def test_what_was_retried_can_be_claimed(operator: Client) -> None:
    failed = delivery(State.FAILED)
    act(operator, "retry", failed)
    assert [one.id for one in ledger.claim("sigdemo", owner="", limit=9, lease=1)] == [failed.pk]


def test_a_second_click_changes_nothing(operator: Client) -> None:
    failed = delivery(State.FAILED)
    act(operator, "retry", failed)
    assert act(operator, "retry", failed) == ["1 delivery was neither failed nor cancelled and was left as it is."]
    assert LogEntry.objects.count() == 1


def test_each_delivery_that_changed_has_an_entry_in_its_history(operator: Client) -> None:
    failed, cancelled, running = delivery(State.FAILED), delivery(State.CANCELLED), delivery(State.RUNNING)

    act(operator, "retry", failed, cancelled, running)

    entries = LogEntry.objects.order_by("pk")
    assert [entry.object_id for entry in entries] == [str(failed.pk), str(cancelled.pk)]
    for entry in entries:
        assert entry.user.get_username() == "operator"
        assert entry.action_flag == CHANGE
        assert entry.get_change_message() == f"Retried, with up to {conf.max_attempts} more attempts."
        assert entry.object_repr.startswith("shop.receivers.send_mail #")
    history = operator.get(reverse("admin:signals_app_delivery_history", args=[failed.pk]))
    assert "Retried, with up to 5 more attempts." in history.content.decode()


def test_the_whole_list_is_changed_in_batches(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "_BATCH", 2)
    rows = [delivery(State.FAILED) for _ in range(5)]
    told = act(operator, "retry", rows[0], select_across="1")
    assert told == ["5 deliveries are ready again."]
    assert states(*rows) == ["READY"] * 5
    assert LogEntry.objects.count() == 5


def test_one_request_changes_no_more_than_the_list_shows(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    rows = [delivery() for _ in range(3)]
    told = act(operator, "cancel", rows[0], select_across="1")
    assert told == ["2 deliveries were cancelled.", "Only the newest 2 were taken; do it again for the rest."]
    assert states(*rows) == ["READY", "CANCELLED", "CANCELLED"]


@pytest.mark.parametrize(("action", "state"), [("retry", State.FAILED), ("cancel", State.READY)])
def test_a_forged_post_of_someone_who_may_only_look_changes_nothing(reader: Client, action: str, state: State) -> None:
    row = delivery(state)

    reader.post(reverse(DELIVERIES), {"action": action, "_selected_action": [row.pk], "index": "0"})
    answer = reader.post(operate_url(row, action))

    assert answer.status_code == 403
    assert states(row) == [state]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("action", "state"), [("retry", State.FAILED), ("cancel", State.READY)])
def test_a_stranger_is_sent_to_the_login(client: Client, action: str, state: State) -> None:
    row = delivery(state)
    for response in (
        client.post(reverse(DELIVERIES), {"action": action, "_selected_action": [row.pk]}),
        client.post(operate_url(row, action)),
    ):
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")
    assert states(row) == [state]


def test_who_may_not_look_may_not_act(outsider: Client) -> None:
    failed = delivery(State.FAILED)
    data = {"action": "retry", "_selected_action": [failed.pk]}
    assert outsider.post(reverse(DELIVERIES), data).status_code == 403
    assert outsider.post(operate_url(failed, "retry")).status_code == 403
    assert states(failed) == [State.FAILED]


def test_a_permission_is_for_one_action() -> None:
    client = client_of("retrier", "view_delivery", "retry_delivery")
    failed, ready = delivery(State.FAILED), delivery()
    page = client.get(reverse(DELIVERIES)).content.decode()
    assert "Retry selected deliveries" in page
    assert "Cancel selected deliveries" not in page
    assert act(client, "cancel", ready) == ["No action selected."]
    assert client.post(operate_url(ready, "cancel")).status_code == 403
    assert states(failed, ready) == [State.FAILED, State.READY]
