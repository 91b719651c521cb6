"""Workers that stand still past their lease."""

import signal
from pathlib import Path

from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Attempt, Delivery, Outcome
from signals_app.processes.identity import ProcessIdentity
from tests.faults import gates
from tests.faults.victims import kill
from tests.testapp.receivers import enqueue

SHORT_LEASE = {"TEST_SIGNALS_APP": '{"LEASE": 1.5, "HEARTBEAT": 0.5}'}


def overtaken(receiver: QueuedReceiver, journal_file: Path) -> Delivery:
    """Hand off; let the first attempt sleep past its lease, and go on to its end while the second one runs."""
    delivery = enqueue(receiver)
    sleeper = stop_at_gate(delivery, journal_file)
    gates.reached(journal_file, delivery.id, 2)
    wake(sleeper, delivery, journal_file)
    return delivery


def stop_at_gate(delivery: Delivery, journal_file: Path) -> int:
    """Wait for the first attempt and stop its worker; return its pid."""
    gates.reached(journal_file, delivery.id, 1)
    delivery.refresh_from_db()
    process = ProcessIdentity.parse(delivery.owner)
    assert process is not None
    kill(process.pid, number=signal.SIGSTOP)
    return process.pid


def wake(sleeper: int, delivery: Delivery, journal_file: Path) -> None:
    """Let the stopped worker go on to the end of its attempt."""
    gates.let_through(journal_file, delivery.id, 1)
    kill(sleeper, number=signal.SIGCONT)


def stale(delivery: Delivery) -> list[int]:
    """Return the numbers of the delivery's attempts whose result was refused."""
    refused = Attempt.objects.filter(delivery=delivery, outcome=Outcome.STALE)
    return list(refused.values_list("number", flat=True))
