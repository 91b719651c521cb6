"""The shop in a real browser: its form, how it looks, and the whole path of an order whose receivers a cluster runs."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from pypdf import PdfReader

from sigdemo.shop.models import Order, WarehouseNotice, WarehouseOutage
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.browser.visitor import PATIENCE, Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster
from tests.sigdemo.shop.goods import deliveries_of

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

        guest.log_in()
        guest.open("/shop/warehouse/outage/")
        guest.page.get_by_label("Refuse the next").wait_for()
        guest.is_well_made()


def all_done(guest: Visitor) -> None:
    guest.page.locator(".deliveries-sum").get_by_text("4 of 4 done", exact=True).wait_for(timeout=PATIENCE)


def states(guest: Visitor) -> list[str]:
    """Return the words that the order's page shows for its deliveries."""
    return [state.strip() for state in guest.page.locator(".track .state").all_inner_texts()]


@pytest.mark.database
def test_an_order_is_worked_off_by_another_process_and_its_page_follows(
    lise: Visitor, cluster: Cluster, web: Web
) -> None:
    lise.order(**{BELL: 2, WHISTLE: 3})
    lise.page.evaluate("window.same = true")
    all_done(lise)

    assert states(lise) == ["Successful"] * 4
    assert lise.page.evaluate("window.same"), "the page was loaded anew"
    lise.page.get_by_text("all done").wait_for()
    assert lise.page.get_by_text("another process", exact=True).count() == 4
    lise.is_untroubled()

    placed = Order.objects.get()
    owners = [ProcessIdentity.parse(delivery.owner) for delivery in deliveries_of(placed)]
    pids = {owner.pid for owner in owners if owner}
    assert len(owners) == 4
    assert pids <= set(cluster.family())
    assert not pids & web.family()
    assert int(placed.placed_by.rpartition(":")[2]) in web.family()

    mails = [path.read_text() for path in (Path(settings.VAR_DIR) / "mail").glob("*")]
    assert any(f"Subject: Your order {placed.number}" in mail for mail in mails)
    assert WarehouseNotice.objects.get().order_number == placed.number

    with lise.page.expect_download(timeout=PATIENCE) as download:
        lise.page.get_by_role("link", name="Download the invoice (PDF)").click()
    assert download.value.suggested_filename == f"{placed.number}.pdf"
    pdf = PdfReader(io.BytesIO(download.value.path().read_bytes()))
    assert f"Invoice {placed.number}" in pdf.pages[0].extract_text()


def test_a_failing_warehouse_is_tried_again_until_it_works(lise: Visitor, cluster: Cluster) -> None:
    WarehouseOutage.plan(2)
    lise.order(**{WHISTLE: 1})

    lise.page.get_by_text("Retrying in").wait_for(timeout=PATIENCE)
    assert lise.page.locator(".facts-next").inner_text().startswith("Next attempt")
    lise.page.get_by_text(re.compile("attempts? failed")).click()
    lise.page.get_by_text("2 attempts failed").wait_for(timeout=PATIENCE)
    assert lise.page.get_by_text("The warehouse is out of order, as it was told to be.").count() == 2
    all_done(lise)

    delivery = Delivery.objects.get(receiver="receivers.shop.notify_warehouse")
    outcomes = Attempt.objects.filter(delivery=delivery).values_list("number", "outcome")
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 3)
    assert list(outcomes) == [(1, Outcome.ERROR), (2, Outcome.ERROR)]
    assert WarehouseNotice.objects.count() == 1
    assert lise.page.locator("details[open]").count() == 1, "the opened details were closed"
    lise.is_untroubled()


def test_a_hidden_page_asks_nothing_and_catches_up_when_seen(ada: Visitor) -> None:
    ada.order(**{BELL: 1})
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))

    with ada.page.expect_request("**/deliveries/", timeout=PATIENCE):
        pass
    ada.hides(True)
    ada.page.wait_for_timeout(200)  # an answer on its way may still come
    asked.clear()
    ada.page.wait_for_timeout(2500)  # nothing can be waited for: two questions would fit in here
    assert asked == []
    with ada.page.expect_request("**/deliveries/", timeout=900):
        ada.hides(False)


def test_the_site_that_does_not_answer_is_asked_again(ada: Visitor, cluster: Cluster) -> None:
    ada.page.route("**/deliveries/", lambda route: route.abort())
    ada.order(**{BELL: 1})
    ada.page.get_by_text("the site does not answer, trying again").wait_for(timeout=PATIENCE)

    ada.page.unroute("**/deliveries/")
    all_done(ada)
