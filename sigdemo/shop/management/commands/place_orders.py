"""``manage.py place_orders``: a crowd of customers, and what became of their deliveries."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sigdemo.shop import crowd
from sigdemo.shop.crowd import Durations, Progress, Summary
from sigdemo.shop.management.progress import ProgressBar

MOST_ORDERS = 100_000
NO_CLUSTER = (
    "No worker has taken any of the {total} deliveries in {timeout:g} s. Is a cluster running? "
    "Start one with: python manage.py qcluster. The work waits for it in the database."
)
NOT_DONE = "{left} of {total} deliveries are not done after {timeout:g} s: {others}."
SOLD_OUT = "Nothing is in stock. Fill the shelves with: python manage.py seed_shop --restock"


class Command(BaseCommand):
    """Place orders as the shop's page does, wait for their deliveries and tell how they went."""

    help = "Places N real orders, waits for their deliveries and prints how long they took."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of orders, a rate and a time limit."""
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
        summary = crowd.summarise(emissions)
        self._tell(summary)
        self._judge(progress, summary, timeout)

    def _place(self, count: int, rate: float | None) -> list[UUID]:
        bar = ProgressBar(self.stdout, "Orders placed", count)
        emissions: list[UUID] = []
        placed = 0
        for placed, order in enumerate(crowd.place_orders(count, rate=rate), start=1):
            if order.emission is not None:
                emissions.append(order.emission)
            bar.show(placed)
        bar.close(placed)
        if not placed:
            raise CommandError(SOLD_OUT)
        if placed < count:
            self.stderr.write(f"Sold out after {placed} of {count} orders. {SOLD_OUT}")
        return emissions

    def _wait(self, emissions: list[UUID], timeout: float) -> Progress:
        bar = ProgressBar(self.stdout, "Deliveries done", crowd.progress_of(emissions).total)
        progress = crowd.wait_for(emissions, timeout=timeout, report=lambda so_far: bar.show(so_far.finished))
        bar.close(progress.finished)
        return progress

    def _tell(self, summary: Summary) -> None:
        self.stdout.write(f"{summary.successful} of {summary.total} deliveries succeeded.")
        for word, durations in (("waited", summary.waited), ("ran", summary.ran)):
            if durations is not None:
                self.stdout.write(f"They {word} {_milliseconds(durations)}.")

    def _judge(self, progress: Progress, summary: Summary, timeout: float) -> None:
        if summary.successful == summary.total:
            return
        if not progress.started:
            raise CommandError(NO_CLUSTER.format(total=progress.total, timeout=timeout))
        others = ", ".join(
            f"{count} {state} of {receiver}" for (receiver, state), count in sorted(summary.others.items())
        )
        left = summary.total - summary.successful
        if progress.done:
            raise CommandError(f"{left} of {summary.total} deliveries did not succeed: {others}.")
        raise CommandError(NOT_DONE.format(left=left, total=summary.total, timeout=timeout, others=others))


def _milliseconds(durations: Durations) -> str:
    return f"{durations.p50 * 1000:.1f} ms (p50), {durations.p95 * 1000:.1f} ms (p95)"
