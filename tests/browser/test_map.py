"""The signals map in the admin, in a real browser."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app.models import State
from tests.browser.visitor import Visitor, visitor
from tests.browser.web import Web
from tests.signals_app.console.admin.rows import delivery

MAP = "/admin/signals_app/map/"
ORDER_PLACED = "sigdemo.shop.signals.order_placed"
CONFIRMATION = "receivers.shop.send_confirmation"

# how far a text of a picture reaches beyond its box, in pixels; a fraction is no matter
OVERHANGS = """boxes => boxes.flatMap(box => [...box.querySelectorAll("text")].map(text =>
  Math.round(text.getBoundingClientRect().right - box.querySelector("rect").getBoundingClientRect().right)))"""

pytestmark = pytest.mark.django_db(transaction=True)


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
    expect(ada.page.get_by_role("img", name="order_placed calls")).to_contain_text("queued · 1 running")
    assert ada.page.evaluate("window.isTheSame")
    ada.is_untroubled()


def test_the_pictures_can_be_read_on_a_phone(browser: Browser, web: Web, busy: None) -> None:
    with visitor(browser, web.url, width=390) as guest:
        guest.log_in()
        guest.open(MAP)
        pictures = guest.page.locator("svg.signals-map")
        widths = pictures.evaluate_all("all => all.map(one => one.getBoundingClientRect())")
        assert len(widths) > 4
        assert all(box["left"] >= 0 and box["right"] <= 390 and box["width"] > 320 for box in widths)
        overhangs = guest.page.locator("svg.signals-map .signals-target svg").evaluate_all(OVERHANGS)
        assert len(overhangs) > 40
        assert max(overhangs) <= 0
        image = guest.page.get_by_role("img", name="order_placed calls 5 receivers: reserve_stock, plain;")
        expect(image).to_contain_text("3 failed · 1 waiting")


def test_without_javascript_failures_are_found_from_the_index(grace: Visitor, busy: None) -> None:
    grace.log_in()
    grace.open("/admin/")
    grace.page.locator("#content").get_by_role("link", name="Signals map").click()
    grace.page.get_by_role("link", name="failures").click()
    rows = grace.page.locator("#map-table tbody tr:not(.signals-group)")
    expect(rows).to_have_count(2)
    rows.first.get_by_text("8 defaults").click()
    expect(rows.first.get_by_text("atomic=False")).to_be_visible()
    rows.first.get_by_role("link", name="3 failed").click()
    expect(grace.page.locator("#result_list tbody tr")).to_have_count(3)
    grace.page.go_back()
    grace.page.get_by_role("link", name="All connections").click()
    grace.page.locator("figcaption").get_by_role("link", name="order_placed").click()
    expect(grace.page.locator(f'[id="signal-{ORDER_PLACED}"]')).to_be_in_viewport()
    grace.is_untroubled()
