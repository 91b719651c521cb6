"""The figures of the overview."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from django.core import checks
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.cluster import broker
from signals_app.ledger import ClusterSeen, Ended, Figures, Ran
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.monitoring import health
from signals_app.processes.identity import ProcessIdentity, resident_bytes
from signals_app.redaction import masked_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """The 50th and 95th percentile of some durations, by the nearest rank; None where there were none."""

    p50: timedelta | None = None
    p95: timedelta | None = None


def percentiles(seconds: Iterable[float | None]) -> Percentiles:
    """Return those of the values that are known."""
    known = sorted(value for value in seconds if value is not None)
    if not known:
        return Percentiles()
    p50, p95 = (timedelta(seconds=known[max(0, -(-len(known) * percent // 100) - 1)]) for percent in (50, 95))
    return Percentiles(p50=p50, p95=p95)


MINUTES = 60
SHOWN = (State.SUCCESSFUL, State.FAILED, State.CANCELLED)  # from the ground up


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute, by when it began."""

    start: datetime
    successful: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All that ended in it."""
        return self.successful + self.failed + self.cancelled


def last_hour(ended: Iterable[Ended]) -> list[Minute]:
    """Return the last sixty minutes, the oldest first, those without a delivery included."""
    counts: Counter[tuple[datetime, State]] = Counter()
    for one in ended:
        counts[one.minute, one.state] += one.count
    now = timezone.localtime() if timezone.is_aware(timezone.now()) else timezone.now()
    this = now.replace(second=0, microsecond=0)
    starts = [this - timedelta(minutes=back) for back in reversed(range(MINUTES))]
    return [Minute(start=start, **{state.lower(): counts[start, state] for state in SHOWN}) for start in starts]


LOOKED_AT = 500  # of the newest failures
DAY = timedelta(days=1)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed deliveries whose last attempt ended with the same error in the same line."""

    error_class: str
    place: str
    receiver: str
    message: str
    latest: datetime
    ids: Sequence[int]

    @property
    def count(self) -> int:
        """How many deliveries."""
        return len(self.ids)


def failure_groups() -> list[FailureGroup]:
    """Return the groups of the newest failures of the last day, the latest first; two queries."""
    alias = ledger.connection().alias
    failed = (
        Delivery.objects.using(alias)
        .filter(state=State.FAILED, finished_at__gt=timezone.now() - DAY)
        .order_by("-finished_at")
    )
    shown = list(failed.values_list("id", "receiver", "finished_at")[:LOOKED_AT])
    ends = (
        Attempt.objects.using(alias)
        .filter(delivery_id__in=[one for one, *_ in shown], number=F("delivery__attempts"))
        .exclude(outcome=Outcome.STALE)
        .values_list("delivery_id", "error_class", "message", "traceback")
    )
    last = {delivery: end for delivery, *end in ends}
    groups: dict[tuple[str, str, str], FailureGroup] = {}
    for one, receiver, finished_at in shown:
        error_class, message, traceback = last.get(one, ("", "", ""))
        key = (error_class, place_of(traceback), receiver)
        known = groups.get(key)
        groups[key] = FailureGroup(
            error_class=error_class,
            place=key[1],
            receiver=receiver,
            message=known.message if known else masked_text(message),
            latest=known.latest if known else finished_at or timezone.now(),
            ids=[*(known.ids if known else ()), one],
        )
    return list(groups.values())


def place_of(traceback: str) -> str:
    """Return the last place that a traceback names, as ``orders/receivers.py:12 in print_label``; "" for none."""
    frames = list(_FRAME.finditer(traceback))
    if not frames:
        return ""
    file, line, function = frames[-1].group("file", "line", "function")
    return f"{'/'.join(file.split('/')[-2:])}:{line}" + (f" in {function}" if function else "")


_UNKNOWN = Percentiles()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Of one receiver or queue, within the hour, by the newest deliveries that ended."""

    name: str
    count: int = 0
    failed: int = 0
    waited: Percentiles = _UNKNOWN
    ran: Percentiles = _UNKNOWN

    @property
    def failed_share(self) -> float:
        """From 0 to 1."""
        return self.failed / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """``is_sample`` where more ended than was read."""

    receivers: tuple[Runs, ...]
    queues: dict[str, Runs]
    is_sample: bool


def runs_of_last_hour() -> LastHour:
    """Return what ended within the hour, by receiver (the busiest first) and by queue."""
    rows = ledger.newest_runs()
    receivers = sorted(_grouped(rows, lambda row: row.receiver), key=lambda runs: (-runs.count, runs.name))
    return LastHour(
        receivers=tuple(receivers),
        queues={runs.name: runs for runs in _grouped(rows, lambda row: row.queue)},
        is_sample=any(sum(row.state == state for row in rows) >= ledger.NEWEST for state in _STATES),
    )


_STATES = (State.SUCCESSFUL, State.FAILED)


def _grouped(rows: Iterable[Ran], name: Callable[[Ran], str]) -> list[Runs]:
    groups: defaultdict[str, list[Ran]] = defaultdict(list)
    for row in rows:
        groups[name(row)].append(row)
    return [
        Runs(
            name=name,
            count=len(group),
            failed=sum(row.state == State.FAILED for row in group),
            waited=percentiles(row.waited for row in group),
            ran=percentiles(row.ran for row in group),
        )
        for name, group in groups.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """What a worker runs."""

    delivery: int
    receiver: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process of a cluster. ``memory`` is in bytes, None where it cannot be told from here."""

    pid: int
    working: Working | None
    memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that has been heard of, ``age`` seconds ago; nothing is known of the workers of one that is gone."""

    queue: str
    host: str
    age: float
    is_alive: bool
    pid: int | None = None
    started: datetime | None = None
    reincarnations: int = 0
    workers: tuple[Worker, ...] = ()


def fleet() -> list[Cluster]:
    """Return the clusters by queue and host, those that were heard of within the hour and are gone included."""
    working = _working()
    return [_cluster(seen, working) for seen in ledger.clusters()]


def _cluster(seen: ClusterSeen, working: dict[tuple[str, int], Working]) -> Cluster:
    known = Cluster(queue=seen.queue, host=seen.host, age=seen.age, is_alive=seen.is_alive)
    status = broker.cluster_status(seen.package) if seen.is_alive else None
    if status is None:
        return known
    workers = tuple(
        Worker(pid=pid, working=working.get((seen.host, pid)), memory=resident_bytes(seen.host, pid))
        for pid in status.workers
    )
    return replace(known, pid=status.pid, started=status.started, reincarnations=status.reincarnations, workers=workers)


def _working() -> dict[tuple[str, int], Working]:
    rows = (
        Delivery.objects.using(ledger.connection().alias)
        .filter(state=State.RUNNING)
        .order_by("-priority", "due_at", "id")
    )
    found: dict[tuple[str, int], Working] = {}
    for row in rows.only("id", "receiver", "owner", "started_at")[:LOOKED_AT]:
        process = ProcessIdentity.parse(row.owner)
        if process:  # the first of what one claim took is the one that runs
            working = Working(delivery=row.id, receiver=row.receiver, since=row.started_at)
            found.setdefault((process.host, process.pid), working)
    return found


RISING_OVER = 5  # minutes in which more was handed off than ended
MOST_QUEUES = 10  # without a cluster that are told one by one
DEPTH = 100  # deliveries that have to be due before a rising depth is worth a word


class Weight(StrEnum):
    """How bad it is; the name of an icon and of colours."""

    BAD = auto()
    WORTH_KNOWING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """One sentence, and what to do."""

    weight: Weight
    text: str
    cure: str = ""


def banners(figures: Figures, clusters: Sequence[Cluster], hour: Sequence[Minute]) -> list[Banner]:
    """Return what is wrong, the worst first."""
    found = [*_without_cluster(figures, clusters), *_rising(figures, hour), *_settings()]
    return sorted(found, key=lambda banner: banner.weight != Weight.BAD)


def _without_cluster(figures: Figures, clusters: Sequence[Cluster]) -> list[Banner]:
    alive = [cluster.queue for cluster in clusters if cluster.is_alive]
    cure = _("Start one: manage.py qcluster. Nothing is lost while none runs.")
    if not alive:
        return [Banner(weight=Weight.BAD, text=_("No cluster is alive, so nothing runs."), cure=cure)]
    waits = {queue.name: queue.oldest_wait for queue in figures.queues if queue.waiting}
    lacking = [queue.name for queue in health.queues(alive, waits) if queue.lacks_cluster()]
    texts = [_("No cluster of the queue %(queue)s is alive.") % {"queue": name} for name in lacking[:MOST_QUEUES]]
    if more := len(lacking) - len(texts):
        text = ngettext("%(more)d more queue has no cluster.", "%(more)d more queues have no cluster.", more)
        texts.append(text % {"more": more})
    return [Banner(weight=Weight.BAD, text=text, cure=cure) for text in texts]


def _rising(figures: Figures, hour: Sequence[Minute]) -> list[Banner]:
    due = sum(queue.due for queue in figures.queues)
    ended = sum(minute.total for minute in hour[-RISING_OVER - 1 :])
    sent = ledger.recently_enqueued(RISING_OVER * 60)
    if due < DEPTH or sent <= ended:
        return []
    text = ngettext(
        "The depth is rising: %(sent)d handed off in the last %(minutes)d minutes, %(ended)d ended, %(due)d is due.",
        "The depth is rising: %(sent)d handed off in the last %(minutes)d minutes, %(ended)d ended, %(due)d are due.",
        due,
    ) % {"sent": sent, "ended": ended, "minutes": RISING_OVER, "due": due}
    return [
        Banner(weight=Weight.WORTH_KNOWING, text=text, cure=_("More workers, or a queue of its own for slow work."))
    ]


def _settings() -> list[Banner]:
    said = checks.run_checks(tags=["signals_app"])
    return [
        Banner(
            weight=Weight.BAD if message.level >= checks.ERROR else Weight.WORTH_KNOWING,
            text=f"{message.msg} ({message.id})",
            cure=message.hint or "",
        )
        for message in said
        if not message.is_silenced()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The page's content."""

    figures: Figures
    clusters: Sequence[Cluster]
    hour: Sequence[Minute]
    runs: LastHour
    failures: Sequence[FailureGroup]
    banners: Sequence[Banner]


def overview() -> Overview:
    """Read it; the number of queries depends on nothing."""
    figures, clusters = ledger.figures(), fleet()
    hour = last_hour(figures.ended)
    return Overview(
        figures=figures,
        clusters=clusters,
        hour=hour,
        runs=runs_of_last_hour(),
        failures=failure_groups(),
        banners=banners(figures, clusters, hour),
    )
