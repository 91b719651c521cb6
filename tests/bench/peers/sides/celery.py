"""Celery, with its settings in Django's."""

from typing import Any

from celery import Celery

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")


def _ran(pk: int) -> None:
    from tests.bench.peers.work import fetch_and_note  # Celery's command imports this before it sets Django up

    fetch_and_note(pk)


ran = app.task(ignore_result=True)(_ran)


def send(order: Any) -> None:
    """Queue the task."""
    ran.delay(order.pk)
