"""What an exception means for a delivery: try again, when, or give up.

An attempt that nobody reported, a lost one, raised nothing; ``ledger/recovery.py`` decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from signals_app.backoff import Backoff, exponential
from signals_app.conf import LONGEST
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import Defer, MissingObject, PermanentFailure, RetryAfter
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Outcome, State
from signals_app.redaction import beginning
from signals_app.redaction.logs import get_logger, traceback_of
from signals_app.worker.timeouts import TimedOut

logger = get_logger("signals_app.worker")

LONGEST_MESSAGE = 2_000  # characters of an error's message that are kept
LONGEST_CLASS = 255  # characters of its class's name
DAEMONIC = "daemonic processes are not allowed to have children"  # what multiprocessing says in a worker of Django-Q
NO_DAEMONS = (
    'Set Q_CLUSTER["daemonize_workers"] = False, so that receivers may start processes with multiprocessing, or use '
    "concurrent.futures.ThreadPoolExecutor."
)


def classify(
    error: BaseException,
    claimed: ClaimedDelivery,
    receiver: QueuedReceiver,
    *,
    ran: float,
    backoff: Backoff | None = None,
) -> Failure:
    """Return how an attempt that raised ``error`` after ``ran`` seconds is to be recorded.

    ``backoff`` is asked in place of the receiver's own, which may be what hangs.
    """
    outcome, final = Outcome.ERROR, claimed.is_last_attempt
    kind = type(error)  # isinstance() would ask the error itself, which may lie or raise
    if issubclass(kind, TimedOut):
        outcome = Outcome.TIMEOUT
    elif issubclass(kind, RetryAfter):
        outcome = Outcome.RETRY_AFTER
    elif issubclass(kind, PermanentFailure):
        final = True
    elif issubclass(kind, MissingObject) and receiver.options.missing == "skip":
        outcome, final = Outcome.SKIPPED, True
    delay = 0.0 if final else _delay(error, claimed, receiver, backoff or receiver.options.backoff)
    name = _text(lambda: str(kind.__qualname__), otherwise="(class without a name)")[:LONGEST_CLASS]
    module = _text(lambda: str(kind.__module__), otherwise="(no module)")
    message = _text(lambda: str(error), otherwise=f"(a {name} that cannot be printed)")
    if message == DAEMONIC:
        message = f"{DAEMONIC}. {NO_DAEMONS}"
        error.add_note(NO_DAEMONS)  # for whoever reads its traceback
    return Failure(
        outcome=outcome,
        state=State.CANCELLED if outcome == Outcome.SKIPPED else State.FAILED if final else State.READY,
        ran=ran,
        error_class=f"{module}.{name}"[:LONGEST_CLASS],
        message=message or f"(a {name} without a message)",
        traceback=_clean(traceback_of(error)),
        delay=min(delay, LONGEST),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """What a receiver asked for by ``Defer``, after it ran for ``ran`` seconds."""

    delay: float
    reason: str
    ran: float


def deferral(error: BaseException, claimed: ClaimedDelivery, receiver: QueuedReceiver, *, ran: float) -> Deferral:
    """Return what a ``Defer`` asks for, whatever its class makes of it."""
    delay = _delay(error, claimed, receiver, receiver.options.backoff)
    reason = _text(lambda: str(error), otherwise="(a reason that cannot be printed)")
    return Deferral(delay=min(delay, LONGEST), reason=reason, ran=ran)


def _delay(error: BaseException, claimed: ClaimedDelivery, receiver: QueuedReceiver, backoff: Backoff) -> float:
    try:  # a subclass may forget its seconds
        if issubclass(type(error), RetryAfter | Defer):
            return max(0.0, float(cast(RetryAfter | Defer, error).seconds))
        return max(0.0, float(backoff(claimed.attempt)))
    except BaseException:
        logger.exception("The backoff of %s failed; the default one decides.", receiver.key)
        return exponential()(claimed.attempt)


def _text(read: Callable[[], str], *, otherwise: str) -> str:
    """Return the beginning of a text that an error makes, secrets masked. Its code may raise anything."""
    try:
        text = "".join((read(),))  # a plain str, even of a subclass that overrides everything
    except BaseException:
        return otherwise
    return beginning(_clean(text), LONGEST_MESSAGE)


def _clean(text: str) -> str:
    """Replace what PostgreSQL cannot store in a text: NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
