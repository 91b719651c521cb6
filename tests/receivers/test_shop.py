"""Each receiver of the shop as the plain function that it is, and how it is set up."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core import mail
from django.db.models import Sum
from django.test import override_settings
from pytest_django import Settings

from receivers import shop
from sigdemo.email_url import mail_settings
from sigdemo.shop.checkout import Checkout
from sigdemo.shop.exceptions import OutOfStock
from sigdemo.shop.models import DailySales, Invoice, Order, Product, StockNotice, WarehouseNotice
from signals_app import ledger
from signals_app.models import Delivery
from signals_app.testing import run_deliveries
from tests.ports import free_port
from tests.receivers.warehouse_server import Warehouse
from tests.sigdemo.shop.goods import bell, lamp, order

pytestmark = pytest.mark.django_db


def test_a_product_that_went_away_meanwhile_counts_as_sold_out(placed: Order) -> None:
    lamps = placed.lines.filter(name="Lamp")
    lamps.update(product_id=2**31)
    with pytest.raises(OutOfStock, match="Lamp: none left, you asked for 1"):
        shop.reserve_stock(sender=Checkout, order=placed)
    lamps.delete()  # the database would refuse the lost reference at the end


def test_of_a_product_that_runs_low_there_is_one_notice_with_what_is_left() -> None:
    a_bell, a_lamp = bell(), lamp()
    order({a_bell: 1, a_lamp: 1})
    order({a_lamp: 1})
    assert run_deliveries() == 8  # the lamp's notices wait for quiet
    ledger.run_now(Delivery.objects.values_list("pk", flat=True))
    run_deliveries()
    assert [(one.product, one.stock) for one in StockNotice.objects.all()] == [(a_lamp, 1)]
    notices = Delivery.objects.filter(receiver=shop.notice_stock.key).order_by("pk")
    assert [one.state for one in notices] == ["MERGED", "SUCCESSFUL"]


class Inbox:
    """A mail server's handler that keeps every mail."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (the server calls it so)
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    """A mail server on a free port, to which the site sends."""
    kept = Inbox()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    for name, value in mail_settings(f"smtp://{controller.hostname}:{controller.port}").items():
        setattr(settings, name, value)
    try:
        yield kept
    finally:
        controller.stop()


def test_the_confirmation_arrives_as_text_and_html_with_one_message_id(placed: Order, inbox: Inbox) -> None:
    placed.name = "<b>Zoë</b> & co"
    for _ in range(2):
        shop.send_confirmation.func(sender=Checkout, order=placed)
    (to, message), (_, again) = inbox.mails
    assert to == ["ada@example.com"]
    assert message["Subject"] == f"Your order {placed.number}"
    assert message["Message-ID"] == again["Message-ID"]
    plain, html = (body.get_content() for body in map(message.get_body, (("plain",), ("html",))) if body)
    total, link = "Total: €269.90 (with €44.98 tax, 20%)", placed.get_absolute_url()
    assert all(words in plain for words in ("Hello <b>Zoë</b> & co,", "2 x Bell: €20.00", total, link))
    assert all(words in html for words in ("<p>Hello &lt;b&gt;Zoë&lt;/b&gt; &amp; co,</p>", "<strong>€269.90</strong>"))


def test_the_mails_of_one_customer_share_a_lane_that_tells_no_address(placed: Order) -> None:
    bell = Product.objects.get(sku="bell")
    same, other = order({bell: 1}), order({bell: 1})
    same.email, other.email = placed.email.upper(), "grace@example.com"
    lanes = [shop.mails_of_customer(order=one) for one in (placed, same, other)]
    assert lanes[0] == lanes[1] != lanes[2]
    assert not any("@" in lane for lane in lanes)


@pytest.mark.database
def test_sales_are_added_up_per_product_and_day(placed: Order) -> None:
    bells = Product.objects.get(sku="bell")
    more = order({bells: 3})
    yesterday = order({bells: 1})
    yesterday.placed_at -= timedelta(days=1)
    for one in (placed, more, yesterday):
        shop.record_sale.func(sender=Checkout, order=one)
    sold = DailySales.objects.filter(product=bells).values_list("date", "quantity", "revenue")
    today = placed.placed_at.date()
    assert set(sold) == {(today, 5, Decimal("50.00")), (today - timedelta(days=1), 1, Decimal("10.00"))}
    assert DailySales.objects.aggregate(all=Sum("revenue"))["all"] == Decimal("309.90")
    assert shop.record_sale.options.atomic  # or an attempt that is repeated would count twice


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_a_sale_belongs_to_the_shops_own_day(placed: Order) -> None:
    placed.placed_at = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
    shop.record_sale.func(sender=Checkout, order=placed)
    assert set(DailySales.objects.values_list("date", flat=True)) == {date(2026, 3, 2)}


def test_the_warehouse_is_told_with_the_deliverys_key(
    placed: Order, in_a_delivery: Delivery, warehouse: Warehouse
) -> None:
    shop.notify_warehouse.func(sender=Checkout, order=placed)
    [received] = warehouse.received
    assert received.headers["Idempotency-Key"] == f"{in_a_delivery.emission}.{in_a_delivery.pk}"


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_immediately_run_receivers_do_all_of_it(placed: Order, warehouse: Warehouse) -> None:
    again = order({Product.objects.get(sku="bell"): 1})
    assert again.emission is None
    assert Invoice.objects.filter(order=again).exists()
    assert len(warehouse.received) == 1
    assert [message.subject for message in mail.outbox] == [f"Your order {again.number}"]
    assert DailySales.objects.get(product__sku="bell").quantity == 1
    assert not WarehouseNotice.objects.exists()  # that one belongs to the site's own warehouse
