"""The side of django-q2 alone: plain receivers that call ``async_task``, and what is left of its queue."""

from typing import Any

from django.db import connection
from django.dispatch import receiver
from django_q.models import OrmQ, Task
from django_q.tasks import async_task

from tests.bench.signals import asked, placed


@receiver(placed)
def queue_nothing(sender: object, number: int, label: str, **kwargs: Any) -> None:
    """Queue a task that does nothing."""
    async_task("tests.bench.work.nothing", number, label)


@receiver(asked)
def queue_report(sender: object, number: int, label: str, **kwargs: Any) -> None:
    """Queue a task that says when it began."""
    async_task("tests.bench.work.report", number, label)


def clear() -> None:
    """Forget everything queued and recorded."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE django_q_ormq, django_q_task")
        else:
            cursor.execute("DELETE FROM django_q_ormq")
            cursor.execute("DELETE FROM django_q_task")


def unfinished() -> int:
    """Return how many tasks are not acknowledged: the monitor deletes a task's row once it ran and was saved."""
    return int(OrmQ.objects.count())


def is_any_unfinished() -> bool:
    """Tell whether any is left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM django_q_ormq)")
        return bool(cursor.fetchone()[0])


def records() -> int:
    """Return how many finished tasks are on record: at most ``save_limit``, none when it is -1."""
    return int(Task.objects.count())
