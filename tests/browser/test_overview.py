"""The overview, an emission and the confirmation of actions, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from playwright.sync_api import expect

from signals_app.models import Delivery, Outcome, Pause, State
from tests.browser.backstage import log_in
from tests.browser.visitor import Visitor
from tests.cluster import Cluster, wait_for_end
from tests.signals_app.console.admin.rows import attempt, delivery, page_of
from tests.testapp.receivers import enqueue, fails, nothing, waits_for_file

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

OVERVIEW = "/admin/signals_app/overview/"
LIST = "/admin/signals_app/delivery/"
MAP = "/admin/signals_app/map/"
LABEL = "shop.receivers.print_label"
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop/labels.py", line 12, in print_label\nshop.PaperJam'
FOCUS = "document.activeElement.getAttribute('href')"
PATIENCE = 30_000  # milliseconds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db: None) -> None:
    """Somebody who may do everything."""
    User.objects.create_superuser("root")


@pytest.fixture
def thirty(root: None) -> None:
    """An hour in which 30 deliveries ended, 8 of them badly and all for one reason."""
    for number in range(30):
        ended = timezone.now() - timedelta(minutes=number)
        if number % 4 or number > 28:
            delivery(State.SUCCESSFUL, receiver=LABEL, started_at=ended, finished_at=ended)
        else:
            one = delivery(State.FAILED, receiver=LABEL, started_at=ended, finished_at=ended)
            attempt(one, error_class="shop.PaperJam", message="tray 2", traceback=TRACEBACK, finished_at=ended)


@pytest.fixture
def others(thirty: None) -> None:
    """Deliveries in every other state that a card counts."""
    now = timezone.now()
    delivery()
    delivery(unroutable=True)
    delivery(State.RUNNING, started_at=now - timedelta(minutes=5))
    attempt(delivery(State.RUNNING, started_at=now), outcome=Outcome.LOST, finished_at=now)


def emission_of(one: Delivery) -> str:
    return f"{LIST}emission/{one.emission}/"


def hide(page: Page, hidden: str) -> None:
    """Tell a page that its tab is hidden, or that it is seen again."""
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'));"
    )


@pytest.mark.database
def test_every_card_counts_the_list_behind_it(grace: Visitor, others: None) -> None:
    log_in(grace)
    grace.open(OVERVIEW)
    cards = {
        one.get_attribute("href") or "": int(one.locator(".signals-card-value").inner_text())
        for one in grace.page.locator("#overview-cards a").all()
    }
    assert sorted(cards.values()) == [1, 1, 1, 2, 2, 8, 22]
    for address, number in cards.items():
        grace.open(address)
        expect(grace.page.locator("#result_list tbody tr")).to_have_count(number)


def test_a_group_is_retried_without_javascript(grace: Visitor, thirty: None) -> None:
    log_in(grace)
    grace.open(OVERVIEW)
    expect(grace.page.get_by_label("Refresh")).to_be_hidden()
    group = grace.page.locator("article").filter(has_text="at shop/labels.py:12 in print_label")
    expect(group).to_contain_text(f"8 deliveries of {LABEL}")
    group.get_by_role("button", name="Retry this group").click()
    expect(grace.page.get_by_text("This changes 8 deliveries.")).to_be_visible()
    assert not Delivery.objects.filter(state=State.READY).exists()
    grace.page.get_by_role("button", name="Retry", exact=True).click()
    expect(grace.page.get_by_text("8 deliveries are ready again.")).to_be_visible()
    assert Delivery.objects.filter(state=State.READY).count() == 8
    grace.is_untroubled()


def test_all_that_match_the_filter_are_retried_without_javascript(grace: Visitor, thirty: None) -> None:
    other = delivery(State.FAILED, receiver="shop.receivers.send_mail")
    log_in(grace)
    grace.open(f"{LIST}?state=FAILED&receiver={LABEL}")
    grace.page.get_by_label("Action:").select_option("Retry selected deliveries")
    grace.page.get_by_label("on all that match the filter").check()
    grace.page.locator("button[name=index]").click()
    expect(grace.page.get_by_text("This changes 8 deliveries.")).to_be_visible()
    grace.page.get_by_role("button", name="Retry", exact=True).click()
    grace.page.wait_for_url(f"**/?state=FAILED&receiver={LABEL}")
    expect(grace.page.get_by_text("8 deliveries are ready again.")).to_be_visible()
    assert [*Delivery.objects.filter(state=State.FAILED)] == [other]


@pytest.mark.database
def test_thirty_deliveries_are_seen_to_end_while_focus_and_details_stay(
    ada: Visitor, cluster: Cluster, root: None, tmp_path: Path
) -> None:
    log_in(ada)
    ada.open(OVERVIEW)
    ada.page.get_by_label("Refresh").select_option("every 2 s")
    one = enqueue(waits_for_file, path=str(tmp_path / "gate"))
    beside = delivery(State.FAILED, emission=one.emission, enqueued_at=one.enqueued_at, finished_at=timezone.now())
    attempt(beside)
    card = ada.page.locator("#overview-cards a")
    expect(card.filter(has_text=re.compile(r"running\s+1$"))).to_be_visible(timeout=PATIENCE)
    overview, emission = ada.page, ada.page.context.new_page()
    emission.goto(f"{ada.site}{emission_of(one)}")
    lane = emission.locator(f"article[data-key='{one.pk}']")
    expect(lane.locator("h3")).to_contain_text("running")

    overview.get_by_text("As a table").click()
    card.filter(has_text="failed, last hour").focus()
    emission.get_by_text("Traceback", exact=True).click()
    lane.locator("h3 a").focus()
    focused = [overview.evaluate(FOCUS), emission.evaluate(FOCUS)]
    for page in (overview, emission):
        page.evaluate("window.isTheSame = true")

    ended = [enqueue(fails if number % 4 == 0 else nothing) for number in range(28)]
    wait_for_end(ended)
    (tmp_path / "gate").touch()
    expect(lane.locator("h3")).to_contain_text("successful", timeout=PATIENCE)
    for words, number in (("succeeded, last hour", 22), ("failed, last hour", 8), ("running", 0)):
        expect(card.filter(has_text=re.compile(rf"{words}\s+{number}$"))).to_be_visible(timeout=PATIENCE)
    group = overview.locator("article").filter(has_text="7 deliveries of tests.testapp.receivers.fails")
    expect(group).to_contain_text("it went wrong at attempt 3")
    assert [overview.evaluate(FOCUS), emission.evaluate(FOCUS)] == focused
    for page in (overview, emission):
        expect(page.locator("details[open]")).to_have_count(1)
        assert page.evaluate("window.isTheSame")
    ada.is_untroubled()


@pytest.mark.database
def test_a_queue_is_paused_and_resumed_without_javascript(grace: Visitor, root: None) -> None:
    one = delivery()
    log_in(grace)
    grace.open(OVERVIEW)
    grace.page.get_by_role("button", name="Pause sigdemo").click()
    expect(grace.page.get_by_text("The queue sigdemo is paused.")).to_be_visible()
    assert [pause.name for pause in Pause.objects.all()] == ["sigdemo"]
    for path in (OVERVIEW, LIST, page_of(one), MAP):
        grace.open(path)
        expect(grace.page.get_by_text("Paused: queue sigdemo by root.")).to_be_visible()
    grace.open(OVERVIEW)
    grace.page.get_by_role("button", name="Resume sigdemo").click()
    expect(grace.page.get_by_text("The queue sigdemo is resumed.")).to_be_visible()
    expect(grace.page.get_by_text("Paused:")).to_have_count(0)
    assert not Pause.objects.exists()
    grace.is_untroubled()


def test_a_hidden_tab_asks_nothing_and_off_is_remembered(ada: Visitor, root: None) -> None:
    log_in(ada)
    ada.page.clock.install()
    ada.open(OVERVIEW)
    ada.page.get_by_label("Refresh").select_option("every 15 s")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.page.clock.run_for(14_000)
    assert asked == []
    held: list[Route] = []
    ada.page.route(f"**{OVERVIEW}", lambda route: held.append(route))
    with ada.page.expect_request(f"**{OVERVIEW}"):
        ada.page.clock.run_for(2_000)

    hide(ada.page, "true")
    with ada.page.expect_response(f"**{OVERVIEW}"):
        held.pop().continue_()
    ada.page.unroute(f"**{OVERVIEW}")
    asked.clear()
    ada.page.clock.run_for(600_000)
    assert asked == []
    with ada.page.expect_response(f"**{OVERVIEW}"):
        hide(ada.page, "false")

    ada.page.get_by_label("Refresh").select_option("off")
    ada.page.reload()
    expect(ada.page.get_by_label("Refresh")).to_have_value("0")
    asked.clear()
    ada.page.clock.run_for(600_000)
    hide(ada.page, "true")
    hide(ada.page, "false")
    assert asked == []
    ada.is_untroubled()


def test_who_may_only_look_is_offered_nothing_and_changes_nothing(ada: Visitor, thirty: None) -> None:
    User.objects.all().delete()
    reader = User.objects.create_user("root", is_staff=True)
    reader.user_permissions.add(*Permission.objects.filter(codename__in=["view_delivery", "view_attempt"]))
    failed = Delivery.objects.filter(state=State.FAILED)
    ids = [str(pk) for pk in failed.values_list("pk", flat=True)]
    log_in(ada)
    content = ada.page.locator("#content")
    for path, words in (
        (OVERVIEW, "Failures of the last day"),
        (f"{LIST}?state=FAILED", "8 deliveries"),
        (page_of(failed[0]), f"Delivery #{ids[0]}"),
        (MAP, "Plain and async receivers work within send()"),
        (f"/admin/signals_app/attempt/{failed[0].failed_attempts.get().pk}/change/", "tray 2"),
        (emission_of(failed[0]), "All pictures share one axis"),
    ):
        ada.open(path)
        expect(content.get_by_text(words).first).to_be_visible()
        expect(content.locator("form[method=post] button, form[method=post] [type=submit]")).to_have_count(0)
        expect(content.get_by_role("button", name=re.compile("Retry|Pause|Cancel|Run|Go|Move"))).to_have_count(0)

    token = ada.page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    for path, fields in (
        (LIST, {"action": "retry", "confirmed": "yes", "select_across": "1", "_selected_action": ids[0], "index": "0"}),
        (f"{OVERVIEW}pause/", {"kind": "QUEUE", "name": "sigdemo", "do": "pause"}),
        (f"{LIST}{ids[0]}/operate/retry/", {}),
    ):
        forged: dict[str, str | float | bool] = {"csrfmiddlewaretoken": token, **fields}
        answer = ada.page.request.post(f"{ada.site}{path}", form=forged, headers={"Referer": ada.page.url})
        assert "CSRF" not in answer.text(), "It was refused for another reason."
    assert failed.count() == 8
    assert not Pause.objects.exists()
