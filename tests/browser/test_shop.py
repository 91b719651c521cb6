"""The whole path in a real browser: an order is placed and its receivers run in a cluster."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from pypdf import PdfReader

from sigdemo.shop.models import DailySales, Invoice, Order, Product, WarehouseNotice, WarehouseOutage
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes import ProcessIdentity
from tests.browser.visitor import Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster, wait_for_end
from tests.sigdemo.shop.goods import deliveries_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RECEIVERS = ("Send confirmation", "Render invoice", "Record sale", "Notify warehouse")
BELL, WHISTLE = "Brass ship's bell", "Pealess whistle"
PATIENCE = 30_000  # milliseconds


def all_done(guest: Visitor, summary: str = "4 of 4 done") -> None:
    guest.page.locator(".deliveries-sum").get_by_text(summary, exact=True).wait_for(timeout=PATIENCE)


def mails() -> str:
    return "\n".join(path.read_text() for path in (Path(settings.VAR_DIR) / "mail").glob("*"))


@pytest.mark.database
def test_an_order_is_worked_off_by_another_process_and_its_page_follows(
    ada: Visitor, cluster: Cluster, web: Web
) -> None:
    ada.order(**{BELL: 2, WHISTLE: 3})
    ada.page.evaluate("window.same = true")
    all_done(ada)

    assert [ada.state_of(receiver) for receiver in RECEIVERS] == ["Successful"] * 4
    assert ada.page.evaluate("window.same"), "the page was loaded anew"
    ada.page.get_by_text("all done").wait_for()
    ada.is_untroubled()

    placed = Order.objects.get()
    deliveries = list(deliveries_of(placed))
    owners = [ProcessIdentity.parse(delivery.owner) for delivery in deliveries]
    pids = {owner.pid for owner in owners if owner}
    assert {delivery.state for delivery in deliveries} == {State.SUCCESSFUL}
    assert len(owners) == 4
    assert pids <= set(cluster.family())
    assert not pids & web.family()
    assert int(placed.placed_by.rpartition(":")[2]) in web.family()
    assert ada.page.get_by_text("another process", exact=True).count() == 4


@pytest.mark.database
def test_what_an_order_set_going_has_happened(ada: Visitor, cluster: Cluster) -> None:
    ada.order(**{BELL: 2, WHISTLE: 3})
    all_done(ada)
    placed = Order.objects.get()

    assert dict(Product.objects.filter(name__in=[BELL, WHISTLE]).values_list("name", "stock")) == {
        BELL: 58,
        WHISTLE: 497,
    }
    sold = DailySales.objects.filter(date=datetime.now(UTC).date())
    assert dict(sold.values_list("product__name", "quantity")) == {BELL: 2, WHISTLE: 3}
    assert f"Subject: Your order {placed.number}" in mails()
    assert WarehouseNotice.objects.get().order_number == placed.number
    assert Invoice.objects.get().order == placed


def test_the_invoice_can_be_downloaded(ada: Visitor, cluster: Cluster) -> None:
    ada.order(**{BELL: 1})
    with ada.page.expect_download(timeout=PATIENCE) as download:
        ada.page.get_by_role("link", name="Download the invoice (PDF)").click(timeout=PATIENCE)

    number = Order.objects.get().number
    assert download.value.suggested_filename == f"{number}.pdf"
    pdf = PdfReader(io.BytesIO(download.value.path().read_bytes()))
    assert f"Invoice {number}" in pdf.pages[0].extract_text()


def test_a_failing_warehouse_is_tried_again_until_it_works(ada: Visitor, cluster: Cluster) -> None:
    WarehouseOutage.plan(2)
    ada.order(**{WHISTLE: 1})

    ada.page.get_by_text("Ready to retry").wait_for(timeout=PATIENCE)
    assert ada.page.locator(".facts-next").inner_text().startswith("Next attempt")
    ada.page.get_by_text(re.compile("attempts? ended badly")).click()
    ada.page.get_by_text("2 attempts ended badly").wait_for(timeout=PATIENCE)
    assert ada.page.get_by_text("The warehouse is out of order, as it was told to be.").count() == 2
    all_done(ada)

    delivery = Delivery.objects.get(receiver="receivers.shop.notify_warehouse")
    outcomes = Attempt.objects.filter(delivery=delivery).values_list("number", "outcome")
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 3)
    assert list(outcomes) == [(1, Outcome.ERROR), (2, Outcome.ERROR)]
    assert WarehouseNotice.objects.count() == 1
    assert ada.page.locator("details[open]").count() == 1, "the opened details were closed"
    ada.is_untroubled()


def test_without_a_cluster_the_work_waits_and_a_started_one_does_it(ada: Visitor, web: Web, tmp_path: Path) -> None:
    with Cluster(tmp_path / "first.log", **web.environment):
        pass  # started and stopped
    ada.order(**{BELL: 1})

    ada.page.get_by_text("0 of 4 done").wait_for()
    assert [ada.state_of(receiver) for receiver in RECEIVERS] == ["Ready"] * 4
    assert ada.page.get_by_text("no cluster is running").is_visible()
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.READY, 0)}

    with Cluster(tmp_path / "second.log", **web.environment):
        all_done(ada)
        assert not ada.page.get_by_text("no cluster is running").is_visible()
    ada.is_untroubled()


def test_without_javascript_a_reload_shows_the_same(grace: Visitor, web: Web, tmp_path: Path) -> None:
    grace.order(**{BELL: 1})
    grace.page.get_by_text("0 of 4 done").wait_for()

    with Cluster(tmp_path / "cluster.log", **web.environment):
        wait_for_end(deliveries_of(Order.objects.get()))
        grace.page.get_by_role("link", name="Reload to see what has happened since").click()
        all_done(grace)

    assert [grace.state_of(receiver) for receiver in RECEIVERS] == ["Successful"] * 4
    assert grace.page.get_by_role("link", name="Download the invoice (PDF)").is_visible()
    assert not grace.page.get_by_role("link", name="Reload to see").is_visible()


def test_a_hidden_page_asks_nothing_and_catches_up_when_seen(ada: Visitor) -> None:
    ada.order(**{BELL: 1})
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))

    def hide(hidden: str) -> None:
        ada.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'));"
        )

    with ada.page.expect_request("**/deliveries/", timeout=PATIENCE):
        pass
    hide("true")
    ada.page.wait_for_timeout(200)  # an answer on its way may still come
    asked.clear()
    ada.page.wait_for_timeout(2500)  # nothing can be waited for: two questions would fit in here
    assert asked == []
    with ada.page.expect_request("**/deliveries/", timeout=900):
        hide("false")


def test_the_site_that_does_not_answer_is_asked_again(ada: Visitor, cluster: Cluster) -> None:
    ada.page.route("**/deliveries/", lambda route: route.abort())
    ada.order(**{BELL: 1})
    ada.page.get_by_text("the site does not answer, trying again").wait_for(timeout=PATIENCE)

    ada.page.unroute("**/deliveries/")
    all_done(ada)


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
    ada.open("/shop/")
    ada.page.get_by_label("Quantity of Telegraph sounder").fill("9")
    ada.page.get_by_label("Your name").fill("Ada")
    ada.page.get_by_label("E-mail address").fill("ada@example.com")
    ada.page.get_by_role("button", name="Place the order").click()

    problems = ada.page.get_by_role("alert")
    assert "Telegraph sounder: only 4 left, you asked for 9" in problems.inner_text()
    assert ada.page.evaluate("document.activeElement.id") == "problems"
    assert ada.page.get_by_label("Quantity of Telegraph sounder").input_value() == "9"
    assert not Order.objects.exists()


def test_a_double_click_places_one_order(ada: Visitor) -> None:
    ada.open("/shop/")
    ada.page.get_by_label(f"Quantity of {BELL}").fill("1")
    ada.page.get_by_label("Your name").fill("Ada")
    ada.page.get_by_label("E-mail address").fill("ada@example.com")
    ada.page.get_by_role("button", name="Place the order").dblclick()
    ada.page.wait_for_url("**/shop/orders/**")

    assert Order.objects.count() == 1


def test_staff_make_the_warehouse_fail_on_its_page(ada: Visitor) -> None:
    User.objects.create_superuser("staff", password="a password")
    ada.open("/admin/login/?next=/shop/warehouse/outage/")
    ada.page.get_by_label("Username").fill("staff")
    ada.page.get_by_label("Password").fill("a password")
    ada.page.get_by_role("button", name="Log in").click()

    ada.page.get_by_label("Refuse the next").fill("7")
    ada.page.get_by_role("button", name="Set").click()
    ada.page.get_by_text("It will refuse the next 7 requests").wait_for()
    assert WarehouseOutage.left() == 7
    ada.finds_nothing_serious()
    ada.is_untroubled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_every_page_fits_and_is_accessible(
    browser: Browser, web: Web, shelves: None, width: int, scheme: Scheme
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        guest.open("/shop/")
        guest.fits()
        guest.is_untroubled()
        guest.finds_nothing_serious()

        guest.order(**{BELL: 1})
        guest.fits()
        guest.is_untroubled()
        guest.finds_nothing_serious()

        guest.open("/shop/")
        guest.page.get_by_role("button", name="Place the order").click()
        guest.page.get_by_text("The order was not placed").wait_for()
        guest.fits()
        guest.finds_nothing_serious()

        guest.open("/no/such/page")
        guest.page.get_by_text("There is nothing at this address").wait_for()
        guest.fits()
        guest.finds_nothing_serious()
