"""``manage.py place_orders``: many orders at once, placed as customers would, and what became of their deliveries."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from sigdemo.shop.checkout import Checkout, place_order
from sigdemo.shop.exceptions import EmptyOrder, OutOfStock
from sigdemo.shop.models import Order, Product
from signals_app.console.formatting import ran, waited
from signals_app.models import FINAL_STATES, Delivery, State

MOST_ORDERS = 100_000
NO_CLUSTER = (
    "No worker has taken any of the {total} deliveries in {timeout:g} s. Is a cluster running? "
    "Start one with: python manage.py qcluster. The work waits for it in the database."
)
NOT_DONE = "{left} of {total} deliveries are not done after {timeout:g} s: {others}."
SOLD_OUT = "Nothing is in stock. Fill the shelves with: python manage.py seed_shop --restock"
BATCH = 500  # emissions in one query: SQLite and PostgreSQL take many more, MySQL's packets are finite
LOOK_EVERY = 0.25  # seconds between two looks at the record


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many deliveries there are, how many a worker ever took, how many are final."""

    total: int
    started: int
    finished: int

    @property
    def done(self) -> bool:
        return self.finished == self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of the deliveries: the successful ones' durations in seconds, the others by receiver."""

    total: int
    waits: Sequence[float]
    runs: Sequence[float]
    others: Counter[tuple[str, State]]


class Command(BaseCommand):
    """Place orders as the shop's page does, wait for their deliveries and tell how they went."""

    help = "Places N real orders, waits for their deliveries and prints how long they took."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("count", metavar="N", type=int, help=f"orders, 1 to {MOST_ORDERS}")
        parser.add_argument("--rate", type=float, help="at most R orders a second", metavar="R")
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for deliveries (60)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Place, wait, print. A ``CommandError`` says what is missing when not all succeeded."""
        count, rate, timeout = options["count"], options["rate"], options["timeout"]
        if not 1 <= count <= MOST_ORDERS:
            raise CommandError(f"N must be a number from 1 to {MOST_ORDERS}, not {count}.")
        if rate is not None and not 0 < rate <= MOST_ORDERS:
            raise CommandError("--rate must be a number of orders a second, greater than 0.")
        if not 0 <= timeout < float("inf"):
            raise CommandError("--timeout must be a number of seconds, 0 or more.")
        emissions = self._place(count, rate)
        progress = self._wait(emissions, timeout)
        summary = summarise(emissions)
        self._tell(summary)
        self._judge(progress, summary, timeout)

    def _place(self, count: int, rate: float | None) -> list[UUID]:
        report = self._reporter("Orders placed", count)
        emissions: list[UUID] = []
        placed = 0
        for placed, order in enumerate(place_orders(count, rate=rate), start=1):
            if order.emission is not None:
                emissions.append(order.emission)
            report(placed)
        if not placed:
            raise CommandError(SOLD_OUT)
        if placed < count:
            self.stderr.write(f"Sold out after {placed} of {count} orders. {SOLD_OUT}")
        return emissions

    def _wait(self, emissions: list[UUID], timeout: float) -> Progress:
        report = self._reporter("Deliveries done", progress_of(emissions).total)
        return wait_for(emissions, timeout=timeout, report=lambda so_far: report(so_far.finished))

    def _reporter(self, label: str, total: int) -> Callable[[int], None]:
        """Return what writes a line at each quarter of the way."""
        told = 0

        def report(done: int) -> None:
            nonlocal told
            if done * 4 // max(total, 1) > told:
                told = done * 4 // max(total, 1)
                self.stdout.write(f"{label}: {done} of {total}")

        return report

    def _tell(self, summary: Summary) -> None:
        self.stdout.write(f"{len(summary.runs)} of {summary.total} deliveries succeeded.")
        for word, seconds in (("waited", summary.waits), ("ran", summary.runs)):
            if len(seconds) > 1:
                cuts = quantiles(seconds, n=20, method="inclusive")
                self.stdout.write(f"They {word} {cuts[9] * 1000:.1f} ms (p50), {cuts[18] * 1000:.1f} ms (p95).")

    def _judge(self, progress: Progress, summary: Summary, timeout: float) -> None:
        if len(summary.runs) == summary.total:
            return
        if not progress.started:
            raise CommandError(NO_CLUSTER.format(total=progress.total, timeout=timeout))
        others = ", ".join(
            f"{count} {state} of {receiver}" for (receiver, state), count in sorted(summary.others.items())
        )
        left = summary.total - len(summary.runs)
        if progress.done:
            raise CommandError(f"{left} of {summary.total} deliveries did not succeed: {others}.")
        raise CommandError(NOT_DONE.format(left=left, total=summary.total, timeout=timeout, others=others))


def place_orders(count: int, *, rate: float | None = None) -> Iterator[Order]:
    """Place ``count`` orders of one to three products, at most ``rate`` a second; yield each.

    Ends early when nothing is in stock any more. Sold-out products are passed over.
    """
    begin = time.monotonic()
    placed = 0
    while placed < count:
        if rate is not None:
            time.sleep(max(0.0, begin + placed / rate - time.monotonic()))
        try:
            order = place_order(_somebody(placed + 1)).order
        except OutOfStock:
            continue  # somebody else was quicker; the next one looks at what is left
        except EmptyOrder:
            return
        placed += 1
        yield order


def wait_for(emissions: Sequence[UUID], *, timeout: float, report: Callable[[Progress], None]) -> Progress:
    """Wait up to ``timeout`` seconds until the deliveries are final; return how far they came.

    ``report`` is told how far they are, a few times a second.
    """
    deadline = time.monotonic() + timeout
    while True:
        progress = progress_of(emissions)
        report(progress)
        if progress.done or time.monotonic() >= deadline:
            return progress
        time.sleep(LOOK_EVERY)


def progress_of(emissions: Sequence[UUID]) -> Progress:
    """Return how far the deliveries of ``emissions`` are, counted by the database."""
    started, finished = Count("pk", filter=Q(attempts__gt=0)), Count("pk", filter=Q(state__in=FINAL_STATES))
    counts = Counter(total=0, started=0, finished=0)
    for batch in _batches(emissions):
        counts.update(batch.aggregate(total=Count("pk"), started=started, finished=finished))
    return Progress(**counts)


def summarise(emissions: Sequence[UUID]) -> Summary:
    """Return what became of the deliveries of ``emissions``."""
    others: Counter[tuple[str, State]] = Counter()
    waits: list[float] = []
    runs: list[float] = []
    now = timezone.now()
    for batch in _batches(emissions):
        for delivery in batch.defer("payload").iterator():
            took, stayed = ran(delivery, now), waited(delivery, now)
            if delivery.state != State.SUCCESSFUL or took is None or stayed is None:
                others[delivery.receiver, State(delivery.state)] += 1
                continue
            waits.append(stayed.total_seconds())
            runs.append(took.total_seconds())
    return Summary(total=len(runs) + others.total(), waits=waits, runs=runs, others=others)


def _batches(emissions: Sequence[UUID]) -> Iterator[QuerySet[Delivery]]:
    for start in range(0, len(emissions), BATCH):
        yield Delivery.objects.filter(emission__in=emissions[start : start + BATCH])


def _somebody(number: int) -> Checkout:
    ids = list(Product.objects.filter(active=True, stock__gt=0).values_list("pk", flat=True))
    chosen = dict.fromkeys(random.sample(ids, k=min(len(ids), random.randint(1, 3))), 1)  # noqa: S311 (no secret)
    return Checkout(name=f"Customer {number}", email=f"customer{number}@example.com", quantities=chosen)
