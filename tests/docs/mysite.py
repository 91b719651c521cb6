"""The project that README and install page speak of: an app with a model, a signal and somebody who sends it."""

from pathlib import Path

MODELS = """
from django.db import models


class Order(models.Model):
    email = models.EmailField()
"""
SIGNALS = """
from django.dispatch import Signal

order_placed = Signal()
"""
CHECKOUT = """
from django.db import transaction

from orders.models import Order
from orders.signals import order_placed


def place_order(email):
    with transaction.atomic():
        order_placed.send(sender=Order, order=Order.objects.create(email=email))
"""
PLACE = "python manage.py shell -c \"from orders.checkout import place_order; place_order('ada@example.com')\""


def write_orders(project: Path) -> None:
    """Write the app that the project has before it hears of signals_app."""
    for name, text in {"models": MODELS, "signals": SIGNALS, "checkout": CHECKOUT}.items():
        (project / "orders" / f"{name}.py").write_text(text)
