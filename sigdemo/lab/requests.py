"""The request's end of a lane: when it came in, who took it, when its answer had left, and who does queued work."""

import threading

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from sigdemo.lab.clock import Moment
from sigdemo.lab.kinds import Way
from sigdemo.lab.lanes import SEND
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.lab.work import LabFailure
from signals_app.conf import conf
from signals_app.models import ClusterStat
from signals_app.processes.identity import current_process


def begin(lane: LabLane, since: Moment) -> bool:
    """Note that a request took the lane. False when another one had it already: a lane is run once."""
    process = current_process()
    lane.started_at, lane.host, lane.pid = since.wall, process.host, process.pid
    lane.thread = threading.current_thread().name[:100]
    waiting = LabLane.objects.filter(pk=lane.pk, started_at=None)
    return bool(waiting.update(started_at=since.wall, host=lane.host, pid=lane.pid, thread=lane.thread))


def begin_alone(lane: LabLane, since: Moment) -> str:
    """Note that a request took the lane, or return why it is not to run now: a visitor's run has one lane at a time."""
    with transaction.atomic():
        # the run's lock: of two lanes that come at once, the second sees the first
        run = LabRun.objects.select_for_update().get(pk=lane.run_id)
        if run.slot is None or run.is_crash_test:
            return "This run has given its place up. Start a new one."
        if run.lanes.exclude(pk=lane.pk).filter(started_at__isnull=False, answered_after=None).exists():
            return "Another lane of this run is under way. Wait until it is over."
        return "" if begin(lane, since) else "This lane has been run already. Start a new run."


def send(lane: LabLane) -> str:
    """Get the lane's work done its way; return the failure that reached the request, or ""."""
    try:
        SEND[Way(lane.way)](lane)
    except LabFailure as error:
        return f"{type(error).__name__}: {error}"
    except ExceptionGroup as group:  # asend() since Django 6, where several receivers failed
        _, others = group.split(LabFailure)
        if others:
            raise
        return f"{len(group.exceptions)} receivers failed, as they were told to."
    return ""


def answered(lane: LabLane, since: Moment, *, error: str = "") -> None:
    """Note that the answer has left just now."""
    LabLane.objects.filter(pk=lane.pk).update(answered_after=since.elapsed(), error=error[:200])


SAME_FORM = 307  # the browser sends the same form to the next address
SEE_OTHER = 303  # it asks for the next address and sends nothing


class MeasuredAnswer(HttpResponse):
    """An answer to a lane's request that notes when it has left."""

    def __init__(self, lane: LabLane, since: Moment, *, error: str, location: str) -> None:
        """``location`` is where the browser goes next; "" where a script goes on."""
        last = location == verdict_address(lane.run)
        super().__init__("done", status=200 if not location else SEE_OTHER if last else SAME_FORM)
        if location:
            self["Location"] = location
        self._lane, self._since, self._error = lane, since, error

    @property
    def url(self) -> str:
        """Where a browser without script goes next; Django's test client asks for it."""
        return self["Location"]

    def close(self) -> None:
        """Called by the web server when the last byte is on its way."""
        answered(self._lane, self._since, error=self._error)
        super().close()


def next_address(run: LabRun) -> str:
    """Return the address of the next lane that has not begun, then of the crash, and of the verdict when all have."""
    if lane := run.lanes.filter(started_at=None).order_by("position").first():
        return reverse("lab:lane", args=[run.public_id, lane.way])
    if LabRun.objects.filter(crash_of=run, lanes__started_at=None).exists():
        return reverse("lab:run-crash", args=[run.public_id])
    return verdict_address(run)


def verdict_address(run: LabRun) -> str:
    """Return the permalink, at the line that says what came of it."""
    return f"{run.get_absolute_url()}#verdict"


def cluster_is_alive() -> bool:
    """Tell whether a cluster that serves the site's queue has reported in the last seconds."""
    return ClusterStat.objects.filter(queue=conf.queue, expires_at__gt=timezone.now()).exists()
