"""Placing an order: the one way in, for the page, the command and the tests."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from sigdemo.shop import money, tracking
from sigdemo.shop.exceptions import EmptyOrder, ProductNotSold, QuantityNotSold
from sigdemo.shop.models import MOST_PIECES, Order, OrderLine, Product
from sigdemo.shop.signals import order_placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What a customer asks for. ``quantities`` maps a product's id to pieces, 1 to 99 each.

    ``token`` stands for one filled-in form: however often it is sent, it places one order.
    """

    name: str
    email: str
    quantities: Mapping[int, int]
    token: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An order that stands. ``repeated`` says that an earlier send of the form had placed it."""

    order: Order
    repeated: bool


def place_order(checkout: Checkout) -> Placement:
    """Save the order and send ``order_placed``, together in one transaction or not at all.

    Raises a ``ShopError`` when the order cannot be placed, ``OutOfStock`` among them (raised by
    the receiver that reserves the stock); then nothing was written and nothing was handed off.
    """
    earlier = Order.objects.filter(token=checkout.token).first()
    if earlier is not None:
        return Placement(order=earlier, repeated=True)
    try:
        with transaction.atomic():
            return Placement(order=_place(checkout), repeated=False)
    except IntegrityError:
        # The same form was sent twice at once and the other request was quicker.
        winner = Order.objects.filter(token=checkout.token).first()
        if winner is None:
            raise
        return Placement(order=winner, repeated=True)


def _place(checkout: Checkout) -> Order:
    lines = _lines(checkout)
    total = sum((line.total for line in lines), Decimal(0))
    order = Order.objects.create(
        token=checkout.token,
        name=checkout.name,
        email=checkout.email,
        total=total,
        tax=money.tax_within(total, money.TAX_RATE),
        placed_by=f"{platform.node()}:{os.getpid()}",
    )
    for line in lines:
        line.order = order
    OrderLine.objects.bulk_create(lines)
    answers = order_placed.send(sender=Checkout, order=order)
    order.emission = tracking.emission_of(answers)
    order.save(update_fields=["emission"])
    return order


def _lines(checkout: Checkout) -> list[OrderLine]:
    if not checkout.quantities:
        raise EmptyOrder
    for quantity in checkout.quantities.values():
        if not 1 <= quantity <= MOST_PIECES:
            raise QuantityNotSold(quantity, MOST_PIECES)
    sold = Product.objects.filter(active=True).in_bulk(list(checkout.quantities))
    for product_id in checkout.quantities:
        if product_id not in sold:
            raise ProductNotSold(product_id)
    return [
        OrderLine(
            product=product,
            name=product.name,
            unit_price=product.price,
            quantity=checkout.quantities[product_id],
        )
        for product_id, product in sorted(sold.items())
    ]
