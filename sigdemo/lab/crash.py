"""The crash test: the same work in a thread and by queue, and both processes are killed at it.

Killed are only children of this module, each held by its Popen object.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone

from sigdemo.lab import requests
from sigdemo.lab.clock import Moment
from sigdemo.lab.kinds import Death, Outcome, Way
from sigdemo.lab.models import LabLane, LabRun, LabSpan
from sigdemo.lab.signals import crash_wanted
from signals_app import ledger
from signals_app.models import FINAL_STATES, Delivery
from signals_app.processes.identity import is_dead

PATIENCE = 60.0  # seconds for a process to start and take up its work
LOOK_EVERY = 0.02  # seconds
AT_WORK = 0.6  # seconds that the work may go on before its process is killed

Child = subprocess.Popen[bytes]


class CrashTestFailed(Exception):
    """The crash test could not be carried out; the text says how far it came."""


def run(crash: LabRun) -> None:
    """Carry a crash test out, which takes some seconds, and give its slot back. Raises CrashTestFailed."""
    try:
        _run(crash)
    finally:
        LabRun.objects.filter(pk=crash.pk).update(slot=None)


def _run(crash: LabRun) -> None:
    lanes = {lane.way: lane for lane in crash.lanes.select_related("run")}
    threaded, queued = lanes[Way.THREAD], lanes[Way.QUEUED]
    with _child("--lane", str(threaded.pk)) as process:
        _end(process, crash.death, _span_of(threaded, process, attempt=1))
    delivery = _hand_off(queued)
    queue = delivery.queue
    with _child("--queue", queue) as first:  # not beside the other, or its work might be over before its turn
        _end(first, Death.SIGKILL, _span_of(queued, first, attempt=1))
    ledger.recover_lost(queue, is_dead=is_dead)
    with _child("--queue", queue) as second:
        _span_of(queued, second, attempt=2)
        # its span ends first: killed in between, the worker would leave the delivery to be done a third time
        _wait(lambda: _is_final(delivery), "the end of the second attempt")


def _hand_off(lane: LabLane) -> Delivery:
    """Send the signal as a view would; return its delivery."""
    since = Moment.now()
    requests.begin(lane, since)
    answers: Iterable[tuple[object, object]] = crash_wanted.send(sender=LabLane, lane=lane)
    requests.answered(lane, since)
    deliveries = [answer for _, answer in answers if isinstance(answer, Delivery)]
    if len(deliveries) != 1:
        raise CrashTestFailed("The crash test's signal reached no queued receiver, or several.")
    return deliveries[0]


@contextmanager
def _child(*arguments: str) -> Iterator[Child]:
    """Start a sandbox process; whatever happens, it is gone in the end."""
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and command)
        [sys.executable, "manage.py", "lab_sandbox", "--settings", settings.SETTINGS_MODULE, *arguments],
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _span_of(lane: LabLane, process: Child, *, attempt: int) -> LabSpan:
    """Wait until a process is at work for a lane; return its span."""
    spans = LabSpan.objects.filter(lane=lane, pid=process.pid, attempt=attempt)

    def begun() -> bool:
        if process.poll() is not None:
            raise CrashTestFailed(f"The sandbox process {process.pid} ended with {process.returncode} by itself.")
        return spans.exists()

    _wait(begun, f"the work of process {process.pid}")
    return spans.get()


def _end(process: Child, death: str, span: LabSpan) -> None:
    """Let a process work for a moment, end it, and note when that was."""
    time.sleep(max(0.0, AT_WORK - (timezone.now() - span.started_at).total_seconds()))
    if death == Death.EXIT:
        process.communicate(b"exit\n")
    else:
        process.send_signal({Death.SIGTERM: signal.SIGTERM, Death.SIGKILL: signal.SIGKILL}[Death(death)])
    process.wait(PATIENCE)
    lost_after = (timezone.now() - span.started_at).total_seconds()
    LabSpan.objects.filter(pk=span.pk, seconds=None).update(lost_after=lost_after, outcome=Outcome.LOST)


def _is_final(delivery: Delivery) -> bool:
    delivery.refresh_from_db()
    return delivery.state in FINAL_STATES


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise CrashTestFailed(f"The crash test gave up after {PATIENCE:g} s of waiting for {what}. Start it again.")
        time.sleep(LOOK_EVERY)
