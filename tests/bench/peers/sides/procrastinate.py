"""Procrastinate, by its Django integration."""

from procrastinate import App
from procrastinate.contrib.django import app

from tests.bench.peers.models import Order
from tests.bench.peers.work import fetch_and_note


def register(app: App) -> None:
    """Tell the worker's app of the task."""
    app.task(name="ran")(fetch_and_note)


def send(order: Order) -> None:
    """Queue the job."""
    app.configure_task("ran").defer(pk=order.pk)
