"""What the tests of the receivers share."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from sigdemo.shop.models import Order
from signals_app.dispatcher.current import CurrentDelivery, running
from signals_app.models import Delivery
from tests.receivers.warehouse_server import Warehouse, warehouse_server
from tests.sigdemo.shop.goods import bell, deliveries_of, lamp, order


@pytest.fixture
def placed(db: None) -> Order:
    return order({bell(): 2, lamp(): 1}, name="Ada Lovelace")


@pytest.fixture
def in_a_delivery(placed: Order) -> Iterator[Delivery]:
    delivery = deliveries_of(placed).earliest("id")
    current = CurrentDelivery(id=delivery.pk, emission=delivery.emission, attempt=1, max_attempts=8)
    with running(current):
        yield delivery


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    """A warehouse that answers as the test tells it; WAREHOUSE_URL is its address."""
    with warehouse_server() as server:
        settings.WAREHOUSE_URL = server.url
        yield server
