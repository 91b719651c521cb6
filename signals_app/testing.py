"""For the tests of projects that use the app: run what waits, here and now."""

from __future__ import annotations

from signals_app.conf import conf
from signals_app.worker.loop import drain


def run_deliveries(queue: str = "") -> int:
    """Run every due delivery of a queue in this process, as a worker would; return how many were run.

    Without a queue it is the default one. What a receiver hands off in turn is run as well; what is due later, a retry
    for example, is left. Unlike ``SIGNALS_APP["IMMEDIATE"]`` it shows the whole path: hand-off, claim, outcome, record.
    """
    total = 0
    while ran := drain(queue or conf.queue):
        total += ran
    return total
