"""Answers to the requests of lanes: they measure when they leave, and lead from lane to lane without a script."""

from django.http import HttpResponse
from django.urls import reverse

from sigdemo.lab import requests
from sigdemo.lab.clock import Moment
from sigdemo.lab.models import LabLane, LabRun

SAME_FORM = 307  # the browser sends the same form to the next address
SEE_OTHER = 303  # it asks for the next address and sends nothing


class MeasuredAnswer(HttpResponse):
    """An answer to a lane's request that notes when it has left."""

    def __init__(self, lane: LabLane, since: Moment, *, error: str, location: str) -> None:
        """``location`` is where the browser goes next; "" where a script goes on."""
        super().__init__("done", status=_status(lane.run, location))
        if location:
            self["Location"] = location
        self._lane, self._since, self._error = lane, since, error

    @property
    def url(self) -> str:
        """Where a browser without script goes next; Django's test client asks for it."""
        return self["Location"]

    def close(self) -> None:
        """Called by the web server when the last byte is on its way."""
        requests.answered(self._lane, self._since, error=self._error)
        super().close()


def next_address(run: LabRun) -> str:
    """Return the address of the next lane that has not begun, or of the run's page when all have."""
    lane = run.lanes.filter(started_at=None).order_by("position").first()
    return reverse("lab:lane", args=[run.public_id, lane.way]) if lane else run.get_absolute_url()


def _status(run: LabRun, location: str) -> int:
    if not location:
        return 200
    return SEE_OTHER if location == run.get_absolute_url() else SAME_FORM
