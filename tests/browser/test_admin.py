"""The overview, an emission, a delivery and their actions, and the signals map, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app.models import Delivery, State
from tests.browser.visitor import PATIENCE, Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster, wait_for_end
from tests.signals_app.console.admin.rows import attempt, delivery, page_of
from tests.testapp.receivers import enqueue, fails, nothing, waits_for_file

if TYPE_CHECKING:
    from playwright.sync_api import Route

OVERVIEW = "/admin/signals_app/overview/"
LIST = "/admin/signals_app/delivery/"
LABEL = "shop.receivers.print_label"
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop/labels.py", line 12, in print_label\nshop.PaperJam'
OFFERED = ["Run now", "Move to another queue", "Give to another receiver", "Cancel"]
PAUSES = ["Pause shop.receivers.send_mail", "Pause sigdemo"]
FOCUS = "document.activeElement.getAttribute('href')"

pytestmark = pytest.mark.django_db(transaction=True)


def jammed(number: int) -> None:
    """Write deliveries that failed for one reason, in the last minutes."""
    for minutes in range(number):
        ended = timezone.now() - timedelta(minutes=minutes)
        one = delivery(State.FAILED, receiver=LABEL, started_at=ended, finished_at=ended)
        attempt(one, error_class="shop.PaperJam", message="tray 2", traceback=TRACEBACK, finished_at=ended)


def test_a_narrow_screen_names_the_columns_and_unfolds_the_filters(
    browser: Browser, web: Web, transactional_db: None
) -> None:
    delivery(State.FAILED)
    with visitor(browser, web.url, width=390) as guest:
        guest.log_in()
        guest.open(f"{LIST}?state=FAILED")
        row = guest.page.locator("#result_list tbody tr")
        expect(row.get_by_text("Waited")).to_be_visible()
        expect(row.get_by_text("failed")).to_be_in_viewport()
        span = guest.page.get_by_label("Before").first
        expect(span).to_be_hidden()
        guest.page.get_by_role("link", name="Filters, some of them chosen").press("Enter")
        span.fill("2026-11-23T12:00")
        span.press("Enter")
        guest.page.wait_for_url(f"**{LIST}?state=FAILED&enqueued_at__gte=&enqueued_at__lt=2026-11-23T12%3A00&**")
        expect(row).to_have_count(0)


def test_without_javascript_a_group_and_all_that_match_are_retried(grace: Visitor) -> None:
    jammed(8)
    other = delivery(State.FAILED)
    grace.log_in()
    grace.open(OVERVIEW)
    expect(grace.page.get_by_label("Refresh")).to_be_hidden()
    group = grace.page.locator("article").filter(has_text="at shop/labels.py:12 in print_label")
    expect(group).to_contain_text(f"8 deliveries of {LABEL}")
    group.get_by_role("button", name="Retry this group").click()
    expect(grace.page.get_by_role("heading", name="Retry 8 deliveries?")).to_be_visible()

    grace.open(f"{LIST}?state=FAILED&receiver={LABEL}")
    grace.page.get_by_label("Action:").select_option("Retry selected deliveries")
    grace.page.get_by_label("on all that match the filter").check()
    grace.page.locator("button[name=index]").click()
    expect(grace.page.get_by_role("heading", name="Retry 8 deliveries?")).to_be_visible()
    assert not Delivery.objects.filter(state=State.READY).exists()
    grace.page.get_by_role("button", name="Retry deliveries", exact=True).click()
    grace.page.wait_for_url(f"**/?state=FAILED&receiver={LABEL}")
    expect(grace.page.get_by_text("8 deliveries are ready again.")).to_be_visible()
    assert [*Delivery.objects.filter(state=State.FAILED)] == [other]
    grace.is_untroubled()


def test_without_javascript_a_delivery_is_given_away_and_its_queue_paused_on_its_page(grace: Visitor) -> None:
    one = delivery(unroutable=True, due_at=timezone.now() + timedelta(hours=1))
    grace.log_in()
    grace.open(page_of(one))
    content = grace.page.locator("#content")
    expect(content.get_by_role("button")).to_have_text(OFFERED + PAUSES)

    content.get_by_role("button", name="Pause sigdemo", exact=True).click()
    content.get_by_label("Reason").fill("no paper")
    content.get_by_label("Until").fill(f"{timezone.now() + timedelta(hours=2):%Y-%m-%dT%H:%M}")
    content.get_by_role("button", name="Pause queue").click()
    expect(content.get_by_text(re.compile(r"Paused: queue sigdemo by root until .* \(no paper\)\."))).to_be_visible()
    content.get_by_role("button", name="Resume sigdemo", exact=True).click()
    expect(content.get_by_text("Paused:")).to_have_count(0)

    content.get_by_role("button", name="Give to another receiver").click()
    content.get_by_label("To the receiver").select_option(fails.key)
    content.get_by_role("button", name="Go on").click()
    content.get_by_role("button", name="Give delivery to this receiver").click()
    grace.page.wait_for_url(f"**{page_of(one)}")
    expect(grace.page.get_by_text(f"1 delivery waits for {fails.key} now.")).to_be_visible()
    expect(grace.page.get_by_role("heading", name=fails.key)).to_be_visible()
    grace.is_untroubled()


@pytest.mark.database
def test_thirty_deliveries_are_seen_to_end_while_focus_and_details_stay(
    ada: Visitor, cluster: Cluster, tmp_path: Path
) -> None:
    ada.log_in()
    ada.open(OVERVIEW)
    ada.page.get_by_label("Refresh").select_option("every 2 s")
    one = enqueue(waits_for_file, path=str(tmp_path / "gate"))
    beside = delivery(State.FAILED, emission=one.emission, enqueued_at=one.enqueued_at, finished_at=timezone.now())
    attempt(beside)
    card = ada.page.locator("#overview-cards a")
    expect(card.filter(has_text=re.compile(r"running\s+1$"))).to_be_visible(timeout=PATIENCE)
    expect(ada.page.locator("#overview-clusters")).to_contain_text("waits_for_file")  # what its worker runs
    overview, emission = ada.page, ada.page.context.new_page()
    emission.goto(f"{ada.site}{LIST}emission/{one.emission}/")
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


def test_a_hidden_tab_asks_nothing_and_off_is_remembered(ada: Visitor) -> None:
    ada.log_in()
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

    ada.hides(True)
    with ada.page.expect_response(f"**{OVERVIEW}"):
        held.pop().continue_()
    ada.page.unroute(f"**{OVERVIEW}")
    asked.clear()
    ada.page.clock.run_for(600_000)
    assert asked == []
    with ada.page.expect_response(f"**{OVERVIEW}"):
        ada.hides(False)

    ada.page.get_by_label("Refresh").select_option("off")
    ada.page.reload()
    expect(ada.page.get_by_label("Refresh")).to_have_value("0")
    asked.clear()
    ada.page.clock.run_for(600_000)
    ada.hides(True)
    ada.hides(False)
    assert asked == []
    ada.is_untroubled()


MAP = "/admin/signals_app/map/"

ORDER_PLACED = "sigdemo.shop.signals.order_placed"

CONFIRMATION = "receivers.shop.send_confirmation"


@pytest.fixture
def busy(transactional_db: None) -> None:
    """A day of the shop, some of it bad, and deliveries of a receiver that is gone."""
    now = timezone.now()
    for receiver, state, number in (
        (CONFIRMATION, State.SUCCESSFUL, 12),
        ("receivers.shop.notify_warehouse", State.SUCCESSFUL, 9),
        ("receivers.shop.notify_warehouse", State.FAILED, 3),
        ("receivers.shop." + "a_long_name_" * 12, State.FAILED, 1),
    ):
        for _ in range(number):
            delivery(state, signal=ORDER_PLACED, receiver=receiver, finished_at=now)
    delivery(signal=ORDER_PLACED, receiver="receivers.shop.notify_warehouse")


def test_counts_and_picture_follow_while_focus_and_details_stay(ada: Visitor, busy: None) -> None:
    ada.log_in()
    ada.page.clock.install()
    ada.open(MAP)
    expect(ada.page.get_by_label("Refresh").locator("option")).to_have_text(["every 15 s", "off"])
    row = ada.page.locator(f"#map-table tr[data-key$='{CONFIRMATION}']")
    row.get_by_text("defaults").click()
    row.get_by_role("link", name="12 successful").focus()
    ada.page.evaluate("window.isTheSame = true")
    delivery(State.SUCCESSFUL, signal=ORDER_PLACED, receiver=CONFIRMATION, finished_at=timezone.now())
    delivery(State.RUNNING, signal=ORDER_PLACED, receiver=CONFIRMATION)
    ada.page.clock.run_for(16_000)
    expect(row.get_by_role("link", name="13 successful")).to_be_focused()
    expect(row.locator("details[open]")).to_have_count(1)
    picture = ada.page.locator(f"figure[data-key='signal-{ORDER_PLACED}']")
    expect(picture.locator("li", has_text="send_confirmation")).to_contain_text("queued · 1 running")
    assert ada.page.evaluate("window.isTheSame")
    ada.is_untroubled()


def test_the_pictures_can_be_read_on_a_phone(browser: Browser, web: Web, busy: None) -> None:
    with visitor(browser, web.url, width=390) as guest:
        guest.log_in()
        guest.open(MAP)
        pictures = guest.page.locator("figure.signals-picture")
        boxes = pictures.locator(".signals-node").evaluate_all("all => all.map(one => one.getBoundingClientRect())")
        assert len(boxes) > 20
        assert all(box["left"] >= 0 and box["right"] <= 390 and box["width"] > 90 for box in boxes)
        expect(pictures.filter(has_text="order_placed")).to_contain_text("failures · 3 failed · 1 waiting")
