"""What the overview shows: queues, clusters, receivers, failures, and what is wrong."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

from django.core import checks
from django.db import Error, transaction
from django.db.models import F, TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from signals_app import ledger
from signals_app.cluster import broker
from signals_app.conf import main_queue
from signals_app.console.formatting import readable_name, start_command, written
from signals_app.ledger import Ran, RecentAttempts, Stats
from signals_app.ledger.sql import query_deadline
from signals_app.models import Attempt, Delivery, Outcome, PauseKind, State
from signals_app.monitoring import health
from signals_app.monitoring.health import QueueHealth
from signals_app.processes.identity import ProcessIdentity, resident_bytes
from signals_app.redaction import masked_text

MOST_QUEUES = 100  # rows of the table, those in which something has waited longest
MOST_NAMED = 10  # queues without a cluster, each in a banner of its own
NEWEST = 500  # failures, and deliveries that run, that are read
DAY = timedelta(days=1)
RISING_OVER = 300.0  # seconds in which more was enqueued than ended
DEPTH = 100  # deliveries that have to be due before a rising depth is worth a word
PATIENCE = 10.0  # seconds for which due work may wait before that is a backlog

_ERROR = ("error_class", "message", "traceback")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.MULTILINE)


class Condition(TextChoices):
    """How it goes, in a word; the worse comes later."""

    HEALTHY = "healthy", gettext_lazy("healthy")
    BACKLOG = "backlog", gettext_lazy("working off a backlog")
    FAILING = "failing", gettext_lazy("failing")
    STOPPED = "stopped", gettext_lazy("stopped")


class Banner(NamedTuple):
    """A sentence, and what to do; ``condition`` is what it makes of the whole, ``is_bad`` whether it is a problem."""

    condition: Condition
    is_bad: bool
    text: str
    cure: str


def condition() -> Condition | None:
    """Return what the overview says in a word, None where the database does not answer in time."""
    own = ledger.connection()
    # an error must not spoil the transaction of whoever asks; without one, SQLite's would take the write lock
    savepoint = transaction.atomic(using=own.alias) if own.in_atomic_block else nullcontext()
    try:
        with query_deadline(health.PATIENCE), savepoint:
            alive, figures = [one.queue for one in ledger.clusters() if one.is_alive], ledger.current_stats()
            failing = health.failing(ledger.recent_attempts())
            return worst(banners(figures, alive, failing))
    except Error:
        return None


def worst(banners: Sequence[Banner]) -> Condition:
    return banners[0].condition if banners else Condition.HEALTHY


def overview() -> dict[str, Any]:
    """Return what the page shows; the number of queries depends on nothing."""
    figures, clusters, failures, ran = ledger.current_stats(), fleet(), failure_groups(), ledger.newest_runs()
    recent = ledger.recent_attempts()
    failing = health.failing(recent)
    alive = [cluster["seen"].queue for cluster in clusters if cluster["seen"].is_alive]
    of_queues = queues(figures, alive, ran)
    longest = sorted(of_queues, key=lambda row: row[0].oldest_wait, reverse=True)[:MOST_QUEUES]
    found = banners(figures, alive, failing)
    paused = {pause.name for pause in figures.pauses if pause.kind == PauseKind.SCHEDULE}
    return {
        "figures": figures,
        "condition": worst(found),
        "banners": found,
        "queues": sorted(longest, key=lambda row: row[0].name),
        "more_queues": len(of_queues) - len(longest),
        "clusters": clusters,
        "receivers": receivers(figures, failures, ran, recent, failing),
        "is_sample": max(Counter(row.state for row in ran).values(), default=0) >= ledger.NEWEST,
        "failures": failures,
        "schedules": [(one, one.key in paused) for one in ledger.schedules_on_record()],
    }


def queues(figures: Stats, alive: Sequence[str], ran: Iterable[Ran]) -> list[tuple[ledger.QueueStats, Any]]:
    """Return the queues in which something waits, runs or ended, and those of living clusters, with their runs."""
    known, runs = {queue.name: queue for queue in figures.queues}, _runs_by("queue", ran)
    return [
        (known.get(name) or ledger.QueueStats(name=name), runs.get(name))
        for name in sorted(known.keys() | runs.keys() | set(alive))
    ]


def receivers(
    figures: Stats,
    failures: Sequence[dict[str, Any]],
    ran: Iterable[Ran],
    recent: Iterable[RecentAttempts],
    failing: Container[str],
) -> list[dict[str, Any]]:
    """Return the runs and the failed attempts of each receiver, with its last error.

    Those that fail come first, then the busiest; those that only are paused come last.
    """
    paused = {pause.name for pause in figures.pauses if pause.kind == PauseKind.RECEIVER}
    attempts = {one.receiver: one for one in recent}
    runs = _runs_by("receiver", ran)
    last = {group["receiver"]: group for group in reversed(failures)}
    rows = [
        {
            "name": name,
            "error": last.get(name),
            "is_paused": name in paused,
            "is_failing": name in failing,
            "attempts": attempts.get(name),
            **runs.get(name, {"count": 0, "failed": 0, "share": 0.0}),
        }
        for name in paused | attempts.keys() | runs.keys()
    ]
    return sorted(rows, key=lambda row: (not row["is_failing"], -row["count"], row["name"]))


def _runs_by(name: str, ran: Iterable[Ran]) -> dict[str, dict[str, Any]]:
    groups: defaultdict[str, list[Ran]] = defaultdict(list)
    for row in ran:
        groups[getattr(row, name)].append(row)
    found = {}
    for key, rows in groups.items():
        failed = sum(row.state == State.FAILED for row in rows)
        waited, took = percentiles(row.waited for row in rows), percentiles(row.ran for row in rows)
        found[key] = {"count": len(rows), "failed": failed, "share": failed / len(rows), "waited": waited, "ran": took}
    return found


def percentiles(seconds: Iterable[float | None]) -> dict[str, float]:
    """Return the 50th and the 95th percentile of what is known; nothing where nothing is."""
    known = [value for value in seconds if value is not None]
    if not known:
        return {}
    twentieths = statistics.quantiles(known * 2 if len(known) == 1 else known, n=20, method="inclusive")
    return {"p50": twentieths[9], "p95": twentieths[18]}


def failure_groups() -> list[dict[str, Any]]:
    """Return the newest errors of the last day by error, line and receiver, the latest first; three queries.

    A delivery is in the group of its last failed attempt, whatever became of it: ``ids`` are those that FAILED, and
    ``retried`` is how many are to be attempted again.
    """
    alias, since = ledger.connection().alias, timezone.now() - DAY
    failed = Delivery.objects.using(alias).filter(state=State.FAILED, finished_at__gt=since).order_by("-finished_at")
    unread = {pk: (receiver, at) for pk, receiver, at in failed.values_list("id", "receiver", "finished_at")[:NEWEST]}
    attempts = Attempt.objects.using(alias).exclude(outcome=Outcome.STALE)
    columns = ("delivery_id", "delivery__receiver", "delivery__state", "finished_at", *_ERROR)
    errors = attempts.filter(outcome__in=(Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST), finished_at__gt=since)
    newest = errors.order_by("-finished_at", "-id").values_list(*columns)[:NEWEST]
    last: dict[int, tuple[Any, ...]] = {}
    for pk, *end in newest:
        last.setdefault(pk, tuple(end))
    older = attempts.filter(delivery_id__in=unread.keys() - last.keys(), number=F("delivery__attempts"))
    texts = {pk: end for pk, *end in older.values_list("delivery_id", *_ERROR)}
    for pk, (receiver, at) in unread.items():
        last.setdefault(pk, (receiver, State.FAILED, at, *texts.get(pk, ("", "", ""))))

    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for pk, (receiver, state, at, error_class, message, traceback) in sorted(
        last.items(), key=lambda one: one[1][2], reverse=True
    ):
        place = place_of(traceback)
        new = {"error_class": error_class, "place": place, "receiver": receiver, "message": masked_text(message)}
        new |= {"latest": at, "count": 0, "ids": [], "retried": 0}
        group = groups.setdefault((error_class, place, receiver), new)
        group["count"] += 1
        group["ids"] += [pk] if state == State.FAILED else []
        group["retried"] += state in (State.READY, State.RUNNING)
    return list(groups.values())


def place_of(traceback: str) -> str:
    """Return the last place that a traceback names, as ``orders/receivers.py:12 in print_label``; "" for none."""
    frames = list(_FRAME.finditer(traceback))
    if not frames:
        return ""
    file, line, function = frames[-1].group("file", "line", "function")
    return f"{'/'.join(file.split('/')[-2:])}:{line}" + (f" in {function}" if function else "")


def fleet() -> list[dict[str, Any]]:
    """Return the clusters by queue and host, those last seen within the hour and gone included.

    Nothing is known of the workers of one that is gone. Memory is in bytes, None where it cannot be told from here.
    """
    running = running_by_worker()
    found = []
    for seen in ledger.clusters():
        status = broker.cluster_status(seen.package) if seen.is_alive else None
        workers = [
            {"pid": pid, "delivery": running.get((seen.host, pid)), "memory": resident_bytes(seen.host, pid)}
            for pid in (status.workers if status else ())
        ]
        at = timezone.now() - timedelta(seconds=seen.age)
        found.append({"seen": seen, "at": at, "status": status, "workers": workers})
    return found


def running_by_worker() -> dict[tuple[str, int], Delivery]:
    rows = (
        Delivery.objects.using(ledger.connection().alias)
        .filter(state=State.RUNNING)
        .order_by("-priority", "due_at", "id")
    )
    found: dict[tuple[str, int], Delivery] = {}
    for row in rows.only("id", "receiver", "owner", "started_at")[:NEWEST]:
        process = ProcessIdentity.parse(row.owner)
        if process:  # the first of what one claim took is the one that runs
            found.setdefault((process.host, process.pid), row)
    return found


def banners(figures: Stats, alive: Sequence[str], failing: Mapping[str, str]) -> list[Banner]:
    """Return what is wrong, the worst first; ``alive`` are the queues of clusters."""
    healths = health.queues(alive, {queue.name: queue.oldest_wait for queue in figures.queues if queue.waiting})
    found = [*_without_cluster(healths), *_failing(failing), *_backlog(figures, healths)]
    for message in checks.run_checks(tags=["signals_app"]):
        if not message.is_silenced():
            is_bad = message.level >= checks.ERROR
            of_all = Condition.FAILING if is_bad else Condition.HEALTHY
            found.append(Banner(of_all, is_bad, f"{message.msg} ({message.id})", message.hint or ""))
    order = list(Condition)
    return sorted(found, key=lambda banner: (order.index(banner.condition), banner.is_bad), reverse=True)


def _without_cluster(healths: Sequence[QueueHealth]) -> Iterator[Banner]:
    cure = _("Nothing is lost in the meantime. Start one: %(command)s")
    if not any(queue.clusters for queue in healths):
        text = _("No cluster is running, so no delivery is being processed.")
        yield Banner(Condition.STOPPED, True, text, cure % {"command": start_command(main_queue())})
        return
    lacking = [queue.name for queue in healths if queue.lacks_cluster()]
    for name in lacking[:MOST_NAMED]:
        text = _("No cluster is running for the queue %(queue)s.") % {"queue": name}
        yield Banner(Condition.STOPPED, True, text, cure % {"command": start_command(name)})
    if (more := len(lacking) - MOST_NAMED) > 0:
        text = ngettext("%(more)d more queue has no cluster.", "%(more)d more queues have no cluster.", more)
        yield Banner(Condition.STOPPED, True, text % {"more": more}, "")


def _failing(failing: Mapping[str, str]) -> Iterator[Banner]:
    cure = _("Its errors are below. Pause it until the cause is mended, so that it uses up no attempts.")
    for text in [*failing.values()][:MOST_NAMED]:
        yield Banner(Condition.FAILING, True, text, cure)
    cure = _("Start a cluster from code that has the receiver, or give the deliveries to another one.")
    for text in health.unroutable()[:MOST_NAMED]:
        yield Banner(Condition.FAILING, True, text, cure)
    cure = _("Retry the delivery, cancel what waits, or free the lane: see the filter “lane” of the deliveries.")
    for lane in ledger.blocked_lanes(limit=MOST_NAMED):
        text = _("The lane “%(lane)s” is blocked by a delivery that failed.") % {"lane": readable_name(lane)}
        yield Banner(Condition.FAILING, True, text, cure)


def _backlog(figures: Stats, healths: Sequence[QueueHealth]) -> Iterator[Banner]:
    cure = _("More workers, or a queue of its own for slow work.")
    late = [queue for queue in healths if queue.clusters and queue.oldest_wait > PATIENCE]
    for queue in sorted(late, key=lambda queue: queue.oldest_wait, reverse=True)[:MOST_NAMED]:
        text = _("A delivery in the queue %(queue)s has waited for %(wait)s.")
        said = text % {"queue": queue.name, "wait": written(queue.oldest_wait)}
        yield Banner(Condition.BACKLOG, bool(queue.problems()), said, cure)
    if (due := figures.total("due")) < DEPTH:
        return
    sent, ended = ledger.recently_enqueued(RISING_OVER), sum(ledger.recently_ended(RISING_OVER).values())
    if sent <= ended:
        return
    text = ngettext(
        "The depth is rising: %(sent)d enqueued in the last %(minutes)d minutes, %(ended)d ended, %(due)d is due.",
        "The depth is rising: %(sent)d enqueued in the last %(minutes)d minutes, %(ended)d ended, %(due)d are due.",
        due,
    )
    words = {"sent": sent, "ended": ended, "minutes": RISING_OVER / 60, "due": due}
    yield Banner(Condition.BACKLOG, False, text % words, cure)
