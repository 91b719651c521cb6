"""For tests of projects that use the app: run waiting deliveries here and now."""

from __future__ import annotations

from signals_app.conf import conf
from signals_app.worker.loop import drain


def run_deliveries(queue: str = "") -> int:
    """Run every due delivery of a queue, by default the default one, in this process; return how many were run.

    Deliveries that receivers send are run too; those due later, such as retries, are not. Unlike
    ``SIGNALS_APP["IMMEDIATE"]`` this goes the whole way: hand-off, claim, outcome, record.
    """
    total = 0
    while ran := drain(queue or conf.queue):
        total += ran
    return total
