"""Operations from the list and from a delivery's page: who is offered what, what is asked, what changes, what is told.

What each operation does and says stands in console/operations.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.test import Client, modify_settings
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app.console.admin import deliveries
from signals_app.console.operations import OPERATIONS
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import (
    DELIVERIES,
    OVERVIEW,
    TO,
    client_of,
    delivery,
    one_for,
    operate_url,
    page_of,
)

pytestmark = pytest.mark.django_db

KEPT = "?_changelist_filters=state%3DFAILED"  # as a page keeps the filters of the list that led to it

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def on_list(client: Client, name: str, *rows: Delivery, query: str = "", follow: bool = False, **fields: str) -> Any:
    """Choose an operation for rows that are ticked, on a list that may be filtered."""
    data = {"action": name, "_selected_action": [row.pk for row in rows], "index": "0", **fields}
    return client.post(f"{reverse(DELIVERIES)}{query}", data, follow=follow)


def on_page(client: Client, name: str, one: Delivery, follow: bool = False, **fields: str) -> Any:
    return client.post(operate_url(one, name) + KEPT, fields, follow=follow)


def told(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def rows() -> list[dict[str, Any]]:
    return [{**row} for row in Delivery.objects.order_by("pk").values()]


def states() -> list[str]:
    return [row["state"] for row in rows()]


def offered(client: Client, one: Delivery) -> list[str]:
    """Return the names of the operations whose buttons are on a delivery's page."""
    page = client.get(page_of(one)).content.decode()
    return [name for name in OPERATIONS if f'action="{operate_url(one, name)}"' in page]


@pytest.mark.parametrize("post", [on_list, on_page])
@each_operation
def test_an_operation_is_asked_about_and_done_once_and_leads_back(boss: Client, name: str, post: Any) -> None:
    one = one_for(name)
    before = rows()
    back = page_of(one) + KEPT if post is on_page else reverse(DELIVERIES)

    page = post(boss, name, one).content.decode()
    if name in TO:
        assert f"<option>{TO[name]}</option>" in page
        assert "confirm-count" not in page
        assert (f"<strong>{one}</strong>" in page) == (post is on_page)
        page = post(boss, name, one, to=TO[name]).content.decode()
    words = {"count": 1, "to": TO.get(name, "")}
    assert f"<h1>{OPERATIONS[name].question % words}</h1>" in page
    assert OPERATIONS[name].consequence % words in page
    assert f">{OPERATIONS[name].button % words}</button>" in page
    assert f'href="{back}">Keep it</a>' in page
    assert f'<li><a href="{page_of(one)}">#{one.pk}</a> {one.receiver} ' in page
    assert rows() == before

    for sentence in ("1 delivery ", "was left as it is: only"):  # which a second submit is told
        answer = post(boss, name, one, follow=True, to=TO.get(name, ""), confirmed="yes")
        assert answer.redirect_chain == [(back, 302)]
        assert sentence in " ".join(told(answer))
        assert rows() != before
        assert LogEntry.objects.get().object_id == str(one.pk)
    said = LogEntry.objects.get().get_change_message()
    assert said in boss.get(reverse("admin:signals_app_delivery_history", args=[one.pk])).content.decode()


def test_a_database_that_is_busy_is_told_of_and_leads_back(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(ids: list[int]) -> list[int]:
        raise OperationalError("database is locked")

    monkeypatch.setattr(ledger, "cancel", locked)
    answer = on_page(boss, "cancel", delivery(State.RUNNING), follow=True, confirmed="yes")
    said = "The database is busy (database is locked), so not all of it was done. Try again in a while."
    assert (told(answer), states()) == ([said], ["RUNNING"])


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["move", "cancel"]),
        ({"due_at": timezone.now() + timedelta(days=9)}, ["run_now", "move", "cancel"]),
        ({"unroutable": True}, ["move", "reassign", "cancel"]),
        ({"state": State.RUNNING, "unroutable": True}, ["cancel"]),
        ({"state": State.SUCCESSFUL}, []),
        ({"state": State.FAILED}, ["retry"]),
        ({"state": State.FAILED, "lane": "ada", "blocks_lane": True}, ["retry", "free"]),
        ({"state": State.CANCELLED}, ["retry"]),
        ({"state": State.MERGED}, []),
    ],
    ids=["ready", "later", "unroutable", "running", "successful", "failed", "blocking", "cancelled", "merged"],
)
def test_what_the_state_allows_is_offered_and_nothing_else_can_be_done(
    boss: Client, fields: dict[str, Any], names: list[str]
) -> None:
    one = delivery(**fields)
    before = rows()
    assert offered(boss, one) == names
    links = re.findall(r'action="([^"]*/operate/[^"]*)"', boss.get(page_of(one) + KEPT).content.decode())
    page = boss.get(page_of(one)).content.decode()
    assert all(str(OPERATIONS[name].consequence % {"count": 1}) in page for name in names)
    assert page.count("signals-danger") == ("cancel" in names)
    assert links == [operate_url(one, name) + KEPT for name in names]  # with the filters that led to the page
    for name in OPERATIONS.keys() - set(names):
        page = on_page(boss, name, one, to=TO.get(name, "")).content.decode()
        assert f"Nothing would change: {OPERATIONS[name].only}." in page
        assert " disabled>" in page
        on_page(boss, name, one, to=TO.get(name, ""), confirmed="yes")
    assert rows() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("post", [on_list, on_page])
@each_operation
def test_an_operation_takes_its_permission_and_its_token_and_is_offered_with_it(
    reader: Client, outsider: Client, client: Client, name: str, post: Any
) -> None:
    one = one_for(name)
    before = rows()
    confirmed = {"to": TO.get(name, ""), "confirmed": "yes"}
    other = client_of("other", "view_delivery", *(f"{one}_delivery" for one in OPERATIONS.keys() - {name}))
    operator = client_of("an operator", "view_delivery", f"{name}_delivery")
    for somebody in (reader, other, outsider, client):
        post(somebody, name, one, **confirmed)
    operator.handler.enforce_csrf_checks = True
    assert post(operator, name, one, **confirmed).status_code == 403
    assert (rows(), LogEntry.objects.count()) == (before, 0)
    page = operator.get(reverse(DELIVERIES)).content.decode()
    assert [other for other in OPERATIONS if f'<option value="{other}">' in page] == offered(operator, one) == [name]
    assert offered(reader, one) == []
    operator.handler.enforce_csrf_checks = False
    assert post(operator, name, one, **confirmed).status_code == 302
    assert rows() != before


@pytest.mark.parametrize("post", [on_list, on_page])
@pytest.mark.parametrize("name", TO)
def test_a_target_that_does_not_exist_is_refused(boss: Client, post: Any, name: str) -> None:
    answer = post(boss, name, one_for(name), follow=True, to="mial", confirmed="yes")
    assert len(answer.redirect_chain) == 1
    assert [message.level_tag for message in answer.context["messages"]] == ["error"]
    assert not LogEntry.objects.exists()


def test_what_cannot_change_is_counted_before_and_after(operator: Client) -> None:
    picked = [delivery(state) for state in State]
    page = on_list(operator, "retry", *picked).content.decode()
    assert "<h1>Retry 2 deliveries?</h1>" in page
    assert re.findall(r"<li><a [^>]*>#(\d+)</a>", page) == [str(picked[4].pk), str(picked[3].pk)]
    assert "6 are selected; those that are not in the right state stay as they are." in page
    (said,) = told(on_list(operator, "retry", *picked, confirmed="yes", follow=True))
    assert said.startswith(
        "2 deliveries are ready again. 4 deliveries were left as they are: only failed and cancelled"
    )
    assert states() == ["READY", "RUNNING", "SUCCESSFUL", "READY", "READY", "MERGED"]


def test_all_that_match_the_filter_are_taken_without_a_tick_and_the_filter_stays(operator: Client) -> None:
    for receiver in "aaab":
        delivery(State.FAILED, receiver=receiver)
    query = "?state=FAILED&receiver=a"
    page = on_list(operator, "retry", query=query, matching="on").content.decode()
    assert "<h1>Retry 3 deliveries?</h1>" in page
    answer = on_list(operator, "retry", query=query, select_across="1", _selected_action="0", confirmed="yes")
    assert answer.headers["Location"].endswith(query)
    assert states() == ["READY", "READY", "READY", "FAILED"]


def test_one_request_changes_so_many_and_no_more(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    answer = on_list(operator, "cancel", *(delivery() for _ in range(3)), confirmed="yes", follow=True)
    assert told(answer)[1:] == ["Only the newest 2 were taken; do it again for the rest."]
    assert states() == ["READY", "CANCELLED", "CANCELLED"]


@modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]})  # which another project does not have
@pytest.mark.parametrize("row", ["abc", "-1", "9" * 19, "9" * 30])
def test_what_is_no_row_is_refused(operator: Client, row: str) -> None:
    assert on_list(operator, "retry", _selected_action=row).status_code == 400


def test_what_only_a_button_opens_leads_back_with_a_sentence(boss: Client) -> None:
    one = one_for("retry")
    before = rows()
    back = {
        operate_url(one, "retry") + KEPT: page_of(one) + KEPT,
        reverse("admin:signals_app_overview_pause"): reverse(OVERVIEW),
    }
    for address, page in back.items():
        answer = boss.get(address, follow=True)
        assert answer.redirect_chain == [(page, 302)]
        assert told(answer) == ["Nothing was changed. Press the button on this page again."]
        assert boss.put(address).status_code == 405
    assert rows() == before


@pytest.mark.parametrize(("key", "name"), [("12345", "retry"), ("nonsense", "retry"), ("12", "delete")])
def test_what_does_not_exist_is_not_found(boss: Client, key: str, name: str) -> None:
    delivery(pk=12)
    address = reverse("admin:signals_app_delivery_operate", args=[key, name])
    assert boss.post(address, {"confirmed": "yes"}).status_code == 404
