"""The lab's work as a task of Django's own. Unlike a signal's sender, whoever enqueues it names the function."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from sigdemo.lab.kinds import ATTEMPTS
from sigdemo.lab.models import LabLane
from sigdemo.lab.spans import perform
from signals_app.tasks import task_options

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks import task
else:
    from django_tasks import task  # on Django 5.2


@task(priority=-10)
@task_options(max_attempts=ATTEMPTS)
def do_work(lane_id: int, seat: int) -> None:
    perform(LabLane.objects.get(pk=lane_id), seat=seat)
