"""The shop's pages in a real browser: the form, the warehouse's switch, and how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sigdemo.shop.models import Order, WarehouseOutage
from tests.browser.visitor import Scheme, Visitor, visitor
from tests.browser.web import Web

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BELL, WHISTLE = "Brass ship's bell", "Pealess whistle"


def test_the_total_is_added_up_while_the_form_is_filled_in(ada: Visitor) -> None:
    ada.open("/shop/")
    total = ada.page.locator("[data-sum-amount]")
    assert total.inner_text() == "€0.00"

    ada.page.get_by_label(f"Quantity of {BELL}").fill("2")
    ada.page.get_by_label(f"Quantity of {WHISTLE}").fill("3")
    assert total.inner_text() == "€149.70"

    ada.page.get_by_label(f"Quantity of {WHISTLE}").fill("-3")
    assert total.inner_text() == "€129.00"


def test_a_short_product_is_named_and_what_was_typed_stays(ada: Visitor) -> None:
    ada.fill_in(**{"Telegraph sounder": 9})
    ada.page.get_by_role("button", name="Place the order").click()

    problems = ada.page.get_by_role("alert")
    assert "Telegraph sounder: only 4 left, you asked for 9" in problems.inner_text()
    assert ada.page.evaluate("document.activeElement.id") == "problems"
    assert ada.page.get_by_label("Quantity of Telegraph sounder").input_value() == "9"
    assert not Order.objects.exists()


def test_a_double_click_places_one_order(ada: Visitor) -> None:
    ada.fill_in(**{BELL: 1})
    ada.page.get_by_role("button", name="Place the order").dblclick()
    ada.page.wait_for_url("**/shop/orders/**")

    assert Order.objects.count() == 1


def test_staff_make_the_warehouse_fail_on_its_page(ada: Visitor) -> None:
    ada.log_in()
    ada.open("/shop/warehouse/outage/")
    ada.page.get_by_label("Refuse the next").fill("7")
    ada.page.get_by_role("button", name="Set").click()
    ada.page.get_by_text("It will refuse the next 7 requests").wait_for()
    assert WarehouseOutage.left() == 7
    ada.is_well_made()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_every_page_is_well_made(browser: Browser, web: Web, shelves: None, width: int, scheme: Scheme) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        for page in ("/", "/shop/"):
            guest.open(page)
            guest.is_well_made()

        guest.order(**{BELL: 1})
        guest.is_well_made()

        guest.open("/shop/")
        guest.page.get_by_role("button", name="Place the order").click()
        guest.page.get_by_text("The order was not placed").wait_for()
        guest.complaints.clear()  # of the answer's status
        guest.is_well_made()

        guest.open("/no/such/page")
        guest.page.get_by_text("There is nothing at this address").wait_for()
        guest.complaints.clear()
        guest.is_well_made()
