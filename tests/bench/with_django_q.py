"""The receivers of django-q2 alone, which call ``async_task``."""

from typing import Any

from django.dispatch import receiver
from django_q.tasks import async_task

from tests.bench.work import asked, placed


@receiver(placed)
def queue_nothing(sender: object, number: int, label: str, **kwargs: Any) -> None:
    async_task("tests.bench.work.nothing", number, label)


@receiver(asked)
def queue_report(sender: object, number: int, label: str, **kwargs: Any) -> None:
    async_task("tests.bench.work.report", number, label)
