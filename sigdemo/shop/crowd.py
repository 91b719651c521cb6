"""Many orders at once: places them as customers would and looks at what became of their deliveries."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from sigdemo.shop.checkout import Checkout, place_order
from sigdemo.shop.exceptions import EmptyOrder, OutOfStock
from sigdemo.shop.models import Order, Product
from sigdemo.shop.tracking import ran, waited
from signals_app.models import FINAL_STATES, Delivery, State

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
        """Whether all of them are final."""
        return self.finished == self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """The middle and the slow end of some durations, in seconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of the deliveries: the successful ones' durations, the others by receiver."""

    total: int
    successful: int
    waited: Durations | None
    ran: Durations | None
    others: Counter[tuple[str, State]]


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
    total = started = finished = 0
    for batch in _batches(emissions):
        counts = batch.aggregate(
            total=Count("pk"),
            started=Count("pk", filter=Q(attempts__gt=0)),
            finished=Count("pk", filter=Q(state__in=FINAL_STATES)),
        )
        total += counts["total"]
        started += counts["started"]
        finished += counts["finished"]
    return Progress(total=total, started=started, finished=finished)


def summarise(emissions: Sequence[UUID]) -> Summary:
    """Return what became of the deliveries of ``emissions``."""
    others: Counter[tuple[str, State]] = Counter()
    waits: list[float] = []
    runs: list[float] = []
    for batch in _batches(emissions):
        for delivery in batch.defer("payload").iterator():
            took, stayed = ran(delivery), waited(delivery)
            if delivery.state != State.SUCCESSFUL or took is None or stayed is None:
                others[delivery.receiver, State(delivery.state)] += 1
                continue
            waits.append(stayed.total_seconds())
            runs.append(took.total_seconds())
    return Summary(
        total=len(runs) + others.total(),
        successful=len(runs),
        waited=_durations(waits),
        ran=_durations(runs),
        others=others,
    )


def _batches(emissions: Sequence[UUID]) -> Iterator[QuerySet[Delivery]]:
    for start in range(0, len(emissions), BATCH):
        yield Delivery.objects.filter(emission__in=emissions[start : start + BATCH])


def _somebody(number: int) -> Checkout:
    in_stock = Product.objects.filter(active=True, stock__gt=0)
    ids = list(in_stock.values_list("pk", flat=True))
    chosen = random.sample(ids, k=min(len(ids), random.randint(1, 3)))  # noqa: S311 (no secret)
    return Checkout(
        name=f"Customer {number}",
        email=f"customer{number}@example.com",
        quantities=dict.fromkeys(chosen, 1),
    )


def _durations(seconds: Sequence[float]) -> Durations | None:
    if len(seconds) < 2:
        return Durations(p50=seconds[0], p95=seconds[0]) if seconds else None
    cuts = quantiles(seconds, n=20, method="inclusive")
    return Durations(p50=cuts[9], p95=cuts[18])
