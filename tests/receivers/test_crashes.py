"""The shop's queued receivers, whose worker dies at each point of their way."""

import pytest

from receivers import shop
from sigdemo.shop.checkout import Checkout
from sigdemo.shop.models import Order
from signals_app.testing import Call, crash_everywhere
from tests.receivers.warehouse_server import Warehouse

pytestmark = pytest.mark.django_db


def test_a_sale_counts_once(placed: Order) -> None:
    crash_everywhere(shop.record_sale, sender=Checkout, order=placed)


def test_an_order_has_one_invoice(placed: Order) -> None:
    crash_everywhere(shop.render_invoice, sender=Checkout, order=placed)


def test_the_warehouse_gets_the_same_key_at_each_attempt(placed: Order, warehouse: Warehouse) -> None:
    crash_everywhere(shop.notify_warehouse, sender=Checkout, order=placed)


def test_a_confirmation_that_is_sent_again_has_the_same_message_id(placed: Order) -> None:
    def message_id(call: Call) -> object:
        return call.kwargs["headers"]["Message-ID"]

    crash_everywhere(shop.send_confirmation, sender=Checkout, order=placed, idempotent=message_id)
