"""What happens when an order is placed: one receiver that must be part of it, and those that need not be."""

from typing import Any

from django.db.models import F
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import salted_hmac

from receivers import invoice, mail, warehouse_client
from sigdemo.shop.exceptions import OutOfStock, Shortage
from sigdemo.shop.models import LOW_STOCK, DailySales, Order, Product, StockNotice
from sigdemo.shop.signals import order_placed, stock_changed
from signals_app.backoff import exponential
from signals_app.dispatcher import current_delivery, queued_receiver


@receiver(order_placed)
def reserve_stock(sender: object, order: Order, **kwargs: Any) -> None:
    """Take the order's pieces out of stock, or raise ``OutOfStock`` and with it undo the order.

    A plain receiver on purpose: it belongs to the order's own transaction.
    """
    shortages = []
    # Every order takes its products in the same sequence, so that two cannot wait for each other.
    for line in order.lines.order_by("product_id"):
        enough = Product.objects.filter(pk=line.product_id, stock__gte=line.quantity)
        if not enough.update(stock=F("stock") - line.quantity):
            left = Product.objects.filter(pk=line.product_id).values_list("stock", flat=True).first()
            shortages.append(Shortage(product=line.name, wanted=line.quantity, left=left or 0))
    if shortages:
        raise OutOfStock(shortages)
    for product in Product.objects.filter(pk__in=order.lines.values("product_id")):
        stock_changed.send(sender=Order, product=product)


def _is_low(product: Product, **kwargs: Any) -> bool:
    return product.stock <= LOW_STOCK


@queued_receiver(stock_changed, when=_is_low, coalesce="product", debounce=5, max_wait=60, atomic=True)
def notice_stock(sender: object, product: Product, **kwargs: Any) -> None:
    """Tell those who buy what is left of a product that runs low: once after a run of orders, not for each line."""
    StockNotice.objects.create(product=product, stock=product.stock)


def mails_of_customer(order: Order, **kwargs: Any) -> str:
    """Return the lane of a customer's mails, which arrive in the order of what they tell; the record has no address."""
    return f"mails of {salted_hmac('lane', order.email.casefold(), algorithm='sha256').hexdigest()}"


@queued_receiver(order_placed, max_attempts=8, backoff=exponential(base=2, cap=600), timeout=30, lane=mails_of_customer)
def send_confirmation(sender: object, order: Order, **kwargs: Any) -> None:
    """Tell the customer by e-mail what was ordered."""
    mail.confirmation(order).send()


@queued_receiver(order_placed, max_attempts=5, backoff=exponential(base=2, cap=60), timeout=60)
def render_invoice(sender: object, order: Order, **kwargs: Any) -> None:
    """Write the invoice as a PDF into the default storage; once is enough, twice does no harm."""
    invoice.store(order, report=current_delivery().progress)


@queued_receiver(order_placed, max_attempts=8, atomic=True, timeout=30)
def record_sale(sender: object, order: Order, **kwargs: Any) -> None:
    """Add the order to its day's totals; ``atomic`` makes it count exactly once."""
    day = timezone.localdate(order.placed_at)
    for line in order.lines.order_by("product_id"):
        DailySales.objects.update_or_create(
            date=day,
            product_id=line.product_id,
            defaults={
                "quantity": F("quantity") + line.quantity,
                "revenue": F("revenue") + line.total,
            },
            create_defaults={"quantity": line.quantity, "revenue": line.total},
        )


@queued_receiver(order_placed, max_attempts=8, backoff=exponential(base=2, cap=600), timeout=20)
def notify_warehouse(sender: object, order: Order, **kwargs: Any) -> None:
    """Tell the warehouse by HTTP what to pack; the key lets it drop a notice it has already."""
    warehouse_client.notify(order, key=current_delivery().idempotency_key)
