"""Wakes the cluster's workers when deliveries are due, has lost ones recovered, and keeps its statistics."""

from __future__ import annotations

import math
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import Error, close_old_connections, reset_queries
from django.utils import timezone
from django_q import conf as q_conf
from django_q.signals import post_spawn
from django_q.signing import BadSignature, SignedPackage

from signals_app import events, ledger, signals
from signals_app.cluster.workarounds import Package, PromptORM, ignore_sigterm
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.dispatcher.schedules import tick
from signals_app.processes.identity import is_dead, pid_here
from signals_app.processes.liveness import liveness
from signals_app.redaction.logs import get_logger
from signals_app.worker import pruning
from signals_app.worker.attempt import may_wait
from signals_app.worker.connections import reconnect
from signals_app.worker.watch import WATCH

logger = get_logger("signals_app.broker")

LOOK = 1.0  # seconds a dequeue() waits at most, and between two looks for lost deliveries, pauses and maintenance
BUSY_POLL = 0.2  # seconds, the longest nap beside PostgreSQL's LISTEN while workers work
STOPPING = 0.05  # seconds between two looks whether a cluster that is to stop does
HINT_LIFE = 0.1  # seconds after which a delivery that is still due is hinted at again; then twice as long, and so on
LONGEST_HINT_LIFE = 5.0  # so that hints do not pile up while every worker is busy
YIELD = 0.004  # seconds
HEAD_START = 0.004  # seconds in which the worker on watch claims what comes; the others are woken for what it leaves
STAT_EVERY = 2.0  # seconds between two statistics of a cluster; each wakes whoever waits for commits on SQLite
MONITOR_PAUSE = 2.0  # seconds a result may take; then that of a hint tells whether any is recorded
CANNOT_CLAIM = 5.0  # seconds after which a cluster whose claims all fail counts as none
RECONNECT = 0.5  # seconds before the database is asked again after an error


class DeliveryBroker(PromptORM):
    """Django-Q's ORM broker, which also wakes workers for due deliveries.

    For ``Q_CLUSTER["broker_class"]``. Plain tasks, groups, chains, hooks and schedules go their usual way.
    """

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)
        self._listener = ledger.ChangeListener(queue=self.list_key, poll=q_conf.Conf.POLL)
        # when each due delivery was hinted at, and for how many seconds that is enough
        self._hinted: dict[int, tuple[float, float]] = {}
        self._kept_up_at = 0.0
        self._told_at = 0.0
        self._posted_at = 0.0
        self._snapshot_at = 0  # the minute of this host's clock in which the counters were last looked at for charts
        self._is_parking = False  # whether there is more to park, or to bring back, at once
        self._is_paused = False  # whether anything was, when last asked
        self._lane = ""  # the last one that was looked at, of those in which anything is parked
        self._has_queued = False

    def enqueue(self, task: str) -> object:
        package: object = super().enqueue(task)
        if ledger.connection().alias == q_conf.Conf.ORM:
            ledger.wake(self.list_key)
        return package

    def dequeue(self) -> list[Package] | None:
        """Wait a moment for work; return plain tasks and at most one hint per worker, or None.

        Where the database does not answer, the pusher asks again instead of ending.
        """
        try:
            return self._look() or None
        except Error as error:
            logger.warning("The pusher of %s cannot reach the database: %s", self.list_key, error)
            reconnect(error)
            close_old_connections()
            time.sleep(RECONNECT)
            return None

    def _look(self) -> list[Package]:
        if self._has_queued:
            self._has_queued = False
            time.sleep(YIELD)  # a thread of this process feeds Django-Q's queue; let it go first
        if not liveness.may_claim:  # and the alarm lets nobody wait
            time.sleep(STOPPING)
            return []
        reset_queries()  # under DEBUG Django keeps them, and a pusher has no requests that would end
        is_time = time.monotonic() - self._kept_up_at >= LOOK
        if is_time:
            self._kept_up_at = time.monotonic()
            self._recover_lost()
            self._mend()
            self._keep_totals()
            self._tick()
        if self._is_paused and (is_time or self._is_parking):  # out of the way of claims, a batch at a time
            self._is_parking = ledger.park(self.list_key) >= ledger.PARK_AT_ONCE / 10
        to_first = ledger.seconds_to_first(self.list_key)
        packages = self._hints() if to_first == 0 else []
        packages += (self._maintenance() if is_time else []) + (super().dequeue() or [])
        if not packages and self._should_post():
            packages = [(None, hint(self.list_key))]  # for somebody to go on watch
        if not packages and (self._wakes(to_first) or liveness.has_unrecorded_result(older_than=MONITOR_PAUSE)):
            packages = [(None, hint(self.list_key))]
        if packages:
            self._has_queued = True
            liveness.task_queued()
            self._listener.reset()
        return packages

    def _should_post(self) -> bool:
        if time.monotonic() - self._posted_at < LOOK or not liveness.wants_watcher:
            return False
        self._posted_at = time.monotonic()
        return liveness.count_busy() < worker_count()

    def _wakes(self, to_first: float | None) -> bool:
        """Wait for a change; return whether a worker should look at once."""
        # what was hinted at and not claimed is hinted at again, so a hint's life bounds the wait too
        wait = LOOK if to_first is None else min(LOOK, max(to_first, 0.001) if to_first else HINT_LIFE)
        if (left := liveness.watch_left) > 0:  # somebody else is to go on watch then
            wait = min(wait, left + YIELD)
        self._listener.alarm = liveness.alarm[:1]
        is_busy = liveness.count_busy() > bool(liveness.watcher)  # and may soon leave a retry, which notifies nobody
        self._listener.poll = min(q_conf.Conf.POLL, BUSY_POLL if is_busy else LOOK)
        change = self._listener.wait(wait)
        if change is not ledger.Change.NONE and time.monotonic() - liveness.watched_at < HEAD_START:
            time.sleep(HEAD_START)
            return False
        return change is ledger.Change.OURS and (not self._is_paused or bool(ledger.due(self.list_key, limit=1)))

    def _hints(self) -> list[Package]:
        """Return a hint for each due delivery that has none yet, up to the number of workers."""
        now, hints, hinted = time.monotonic(), list[Package](), {}
        for one in ledger.due(self.list_key, limit=q_conf.Conf.WORKERS):
            since, life = self._hinted.get(one, (-math.inf, HINT_LIFE / 2))
            if now - since >= life:
                since, life = now, min(life * 2, LONGEST_HINT_LIFE)
                hints.append((None, hint(self.list_key)))
            hinted[one] = (since, life)
        self._hinted = hinted
        return hints

    def _recover_lost(self) -> None:
        recovered = ledger.recover_lost(
            self.list_key,
            is_dead=is_dead,
            at_work=_delivery_at,
            run_of=lambda owner: liveness.run_of(pid_here(owner) or 0),
            may_wait=lambda claimed: may_wait(claimed, registry.get(claimed.receiver)),
        )
        for one in recovered.lost:
            events.failed(one.claimed, one.end, receiver=registry.get(one.claimed.receiver))
        events.write()

    def _mend(self) -> None:
        """Look after what is set aside: pauses that end, and lanes that nobody would have go on."""
        self._is_paused, is_behind = ledger.is_anything_aside()
        if is_behind:
            self._lane = ledger.mend_lanes(after=self._lane)
        if self._is_paused:
            for what in ledger.end_pauses():
                logger.warning("The %s is resumed: its pause was to end now.", what)

    def _keep_totals(self) -> None:
        """Keep what is counted, for charts, once a minute; while a receiver holds SQLite's lock, a second later."""
        minute = int((time.time() - 1) // 60)  # begun by then where the database's clock is a little behind as well
        if minute == self._snapshot_at:
            return
        try:
            ledger.take_snapshot()
        except Error as error:
            logger.debug("The counters' totals of this minute are not kept yet: %s", error)
        else:
            self._snapshot_at = minute

    def _tick(self) -> None:
        """Hand off the ticks of schedules that are due; while a receiver holds SQLite's lock, a second later."""
        try:
            tick()
        except Error as error:
            logger.debug("The schedules' ticks are not handed off yet: %s", error)

    def _maintenance(self) -> list[Package]:
        """Return the task of pruning, where it is this cluster's turn."""
        if not ledger.offer_maintenance(pruning.TASK, first=pruning.EVERY, lease=pruning.LEASE):
            return []
        return [(None, _package("prune", "signals_app.worker.pruning.prune_for_a_while"))]

    def ping(self) -> bool:
        """Answer in the sentinel of a new cluster, as it starts: time to clear away what dead clusters left."""
        ignore_sigterm()
        ledger.forget_old_stats()
        return bool(super().ping())

    def queue_size(self) -> int:
        return int(super().queue_size()) + ledger.count_ready(self.list_key)

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Keep a cluster's statistic in the database until ``timeout`` seconds after the next is due.

        A cluster whose claims all fail though work is due keeps none, and so counts as no cluster. That of one
        that has stopped expires at once.
        """
        with liveness.guarding():
            if liveness.may_claim and time.monotonic() - self._told_at < STAT_EVERY:
                return
            try:
                status = cluster_status(value)
                seconds = 0.0 if status and status.has_stopped else STAT_EVERY + timeout
                if liveness.failing < CANNOT_CLAIM or not ledger.due(self.list_key, limit=1):
                    ledger.keep_stat(key, value, queue=self.list_key, host=socket.gethostname(), seconds=seconds)
                    if status and status.workers:  # a cluster that starts has none, and is told of as soon as it has
                        self._told_at = time.monotonic()
            except Error as error:
                reconnect(error)  # Django-Q logs the error and calls again, on a new connection
                raise

    def get_stat(self, key: str) -> str | None:
        return ledger.read_stat(key)

    def get_stats(self, pattern: str) -> list[str]:
        return ledger.read_stats(pattern.removesuffix("*"))


def hint(queue: str) -> str:
    """Return a signed Django-Q task that says no more than "there is work in this queue"."""
    return _package(f"hint-{queue}", "signals_app.worker.loop.drain", queue)


def _package(name: str, function: str, *args: str) -> str:
    """Return a signed Django-Q task that leaves no record."""
    task = {"id": uuid4().hex, "name": name, "func": function, "args": args, "kwargs": {}}
    return str(SignedPackage.dumps(task | {"started": timezone.now(), "save": False, "timeout": hint_timeout()}))


def cluster_name() -> str:
    """Return the name of this process's cluster, which is the queue it serves."""
    return str(q_conf.Conf.CLUSTER_NAME)


def worker_count() -> int:
    return int(q_conf.Conf.WORKERS)


def guard_cycle() -> float:
    return float(q_conf.Conf.GUARD_CYCLE)


def hint_timeout() -> int:
    """Return the seconds after which Django-Q may end a worker that got a hint: more than any receiver may take."""
    longest = max((receiver.options.timeout for receiver in registry.all()), default=conf.timeout)
    return math.ceil(WATCH + longest + conf.time_slice + conf.grace) + 5


def _delivery_at(owner: str) -> int | None:
    """Return the delivery that a worker of this very cluster runs, whatever its lease on the record.

    On SQLite any transaction keeps a renewal from being written; the pusher may get in first when it ends.
    """
    pid = pid_here(owner)
    return None if pid is None else liveness.beats_for(pid, within=conf.lease / 2)


def report_error(**kwargs: object) -> None:
    """Pass the exception being handled to Django-Q's error reporters; a signal receiver."""
    if q_conf.error_reporter:
        q_conf.error_reporter.report()


signals.delivery_attempt_failed.connect(report_error, dispatch_uid="signals_app.error_reporters")
post_spawn.connect(events.write_in_background, dispatch_uid="signals_app.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """What a cluster reported: pids are those of its host, ``reincarnations`` the workers that it replaced."""

    pid: int
    started: datetime
    reincarnations: int
    workers: tuple[int, ...]
    has_stopped: bool


def cluster_status(package: str) -> ClusterStatus | None:
    """Read a cluster's statistic; None where it was signed with another key."""
    try:
        stat = SignedPackage.loads(package)
    except BadSignature:
        return None
    return ClusterStatus(
        pid=stat.pid,
        started=stat.tob,
        reincarnations=stat.reincarnations,
        workers=tuple(stat.workers),
        has_stopped=stat.status == q_conf.Conf.STOPPED,
    )
