"""What an exception means for a delivery: try again, when, or give up."""

from __future__ import annotations

import logging
import traceback

from signals_app.backoff import exponential
from signals_app.conf import LONGEST
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import PermanentFailure, RetryAfter
from signals_app.ledger import BadEnd, ClaimedDelivery
from signals_app.models import Outcome, State
from signals_app.timeouts import TimedOut

logger = logging.getLogger("signals_app.worker")

LONGEST_MESSAGE = 2_000  # characters of an error's message that are kept
LONGEST_TRACEBACK = 20_000  # characters of a traceback that are kept: its end, which says what happened


def judge(error: BaseException, claimed: ClaimedDelivery, receiver: QueuedReceiver, *, ran: float) -> BadEnd:
    """Return how an attempt that raised ``error`` after ``ran`` seconds is to be recorded."""
    delay = 0.0
    outcome = Outcome.ERROR
    final = claimed.is_last_attempt
    if isinstance(error, TimedOut):
        outcome = Outcome.TIMEOUT
    elif isinstance(error, RetryAfter):
        outcome = Outcome.RETRY_AFTER
    elif isinstance(error, PermanentFailure):
        final = True
    if not final:
        delay = error.seconds if isinstance(error, RetryAfter) else _backoff(receiver, claimed)
    return BadEnd(
        outcome=outcome,
        state=State.FAILED if final else State.READY,
        ran=ran,
        error_class=f"{type(error).__module__}.{type(error).__qualname__}",
        message=_clean(_text(error))[:LONGEST_MESSAGE],
        traceback=_clean("".join(traceback.format_exception(error)))[-LONGEST_TRACEBACK:],
        delay=min(delay, LONGEST),
    )


def _backoff(receiver: QueuedReceiver, claimed: ClaimedDelivery) -> float:
    try:
        return max(0.0, float(receiver.options.backoff(claimed.attempt)))
    except Exception:
        logger.exception("The backoff of %s failed; the default one decides.", receiver.key)
        return exponential()(claimed.attempt)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"(a {type(error).__qualname__} that cannot be printed)"


def _clean(text: str) -> str:
    """Drop what PostgreSQL cannot store in a text: NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
