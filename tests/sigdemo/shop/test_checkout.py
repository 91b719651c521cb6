"""Placing an order: all of it or nothing."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Sum

from sigdemo.shop.checkout import Checkout, place_order
from sigdemo.shop.exceptions import EmptyOrder, OutOfStock, ProductNotSold, QuantityNotSold, ShopError
from sigdemo.shop.models import Order, OrderLine, Product
from signals_app.models import Delivery
from tests.sigdemo.shop.goods import bell, checkout, deliveries_of, lamp, order

pytestmark = pytest.mark.django_db
QUEUED = {"send_confirmation", "render_invoice", "record_sale", "notify_warehouse"}


def nothing_was_kept() -> bool:
    return not (Order.objects.exists() or OrderLine.objects.exists() or Delivery.objects.exists())


def test_an_order_keeps_prices_takes_its_pieces_and_hands_off_four_deliveries(a_bell: Product, a_lamp: Product) -> None:
    Product.objects.update(stock=10)
    placed = order({a_bell: 2, a_lamp: 1})
    assert placed.total == Decimal("269.90")
    assert placed.tax == Decimal("44.98")
    assert placed.net + placed.tax == placed.total
    lines = [(line.name, line.unit_price, line.quantity) for line in placed.lines.all()]
    assert lines == [("Bell", Decimal("10.00"), 2), ("Lamp", Decimal("249.90"), 1)]
    a_bell.refresh_from_db()
    assert a_bell.stock == 8
    assert {delivery.receiver.rpartition(".")[2] for delivery in deliveries_of(placed)} == QUEUED
    assert Delivery.objects.count() == len(QUEUED)
    assert order({a_bell: 1}).emission != placed.emission


@pytest.mark.database
def test_too_little_stock_names_every_short_product_and_keeps_nothing(a_bell: Product, a_lamp: Product) -> None:
    with pytest.raises(OutOfStock) as refused:
        place_order(checkout({a_bell: 11, a_lamp: 4}))
    assert str(refused.value) == (
        "Not enough in stock. Bell: only 10 left, you asked for 11; Lamp: only 3 left, you asked for 4. "
        "Lower the quantity and order again."
    )
    with pytest.raises(OutOfStock, match="Lamp: only 3 left, you asked for 4"):
        place_order(checkout({a_bell: 5, a_lamp: 4}))
    assert nothing_was_kept()
    a_bell.refresh_from_db()
    assert a_bell.stock == 10  # what another line had taken is given back
    order({a_bell: 10})
    with pytest.raises(OutOfStock, match="Bell: none left, you asked for 1"):
        place_order(checkout({a_bell: 1}))


@pytest.mark.parametrize("quantity", [0, -1, 100, 10**12])
def test_a_quantity_outside_one_to_99_is_refused(a_bell: Product, quantity: int) -> None:
    with pytest.raises(QuantityNotSold, match=f"A quantity of {quantity} is not sold. Order between 1 and 99."):
        place_order(checkout({a_bell: quantity}))
    with pytest.raises(EmptyOrder, match="Your order is empty"):
        place_order(checkout({}))
    assert nothing_was_kept()


def test_a_product_that_is_not_sold_is_refused(a_bell: Product) -> None:
    wanted, told = checkout({a_bell: 1}), f"Product {a_bell.pk} is not sold here"
    Product.objects.update(active=False)
    with pytest.raises(ProductNotSold, match=told):
        place_order(wanted)
    Product.objects.all().delete()
    with pytest.raises(ProductNotSold, match=told):
        place_order(wanted)
    assert nothing_was_kept()


def at_once(checkouts: list[Checkout]) -> list[object]:
    """Place orders in threads of their own; return an order, or the error's type, for each."""

    def place(one: Checkout) -> object:
        try:
            return place_order(one).order
        except ShopError as error:
            return type(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(checkouts)) as threads:
        return list(threads.map(place, checkouts))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_customers_at_once_never_buy_more_than_there_is() -> None:
    bells = bell()
    results = at_once([checkout({bells: 3}) for _ in range(8)])
    bells.refresh_from_db()
    assert results.count(OutOfStock) == 5
    assert bells.stock == 1
    assert OrderLine.objects.aggregate(sold=Sum("quantity"))["sold"] == 9


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_orders_of_the_same_products_in_opposite_sequence_do_not_deadlock() -> None:
    bells, lamps = bell(), lamp()
    Product.objects.update(stock=1000)
    results = at_once([checkout({bells: 1, lamps: 1} if turn % 2 else {lamps: 1, bells: 1}) for turn in range(16)])
    assert all(isinstance(result, Order) for result in results), results
    assert set(Product.objects.values_list("stock", flat=True)) == {984}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_one_form_sent_many_times_at_once_places_one_order() -> None:
    bells, token = bell(), uuid4()
    results = at_once([checkout({bells: 1}, token=token) for _ in range(6)])
    assert len(set(results)) == 1
    assert Order.objects.count() == 1
    assert Delivery.objects.count() == len(QUEUED)
