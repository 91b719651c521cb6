"""What an exception means for a delivery: try again, when, or give up."""

from __future__ import annotations

import traceback

from signals_app.backoff import exponential
from signals_app.conf import LONGEST
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import MissingObject, PermanentFailure, RetryAfter
from signals_app.ledger import BadEnd, ClaimedDelivery
from signals_app.logs import get_logger
from signals_app.masking import masked_text
from signals_app.models import Outcome, State
from signals_app.timeouts import TimedOut

logger = get_logger("signals_app.worker")

LONGEST_MESSAGE = 2_000  # characters of an error's message that are kept
LONGEST_TRACEBACK = 20_000  # characters of a traceback that are kept


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
    elif isinstance(error, MissingObject) and receiver.options.missing == "skip":
        outcome, final = Outcome.SKIPPED, True
    if not final:
        delay = _delay(error, claimed, receiver)
    return BadEnd(
        outcome=outcome,
        state=_state(outcome, final),
        ran=ran,
        error_class=f"{type(error).__module__}.{type(error).__qualname__}",
        message=kept_message(_text(error)),
        traceback=kept_traceback("".join(traceback.format_exception(error))),
        delay=min(delay, LONGEST),
    )


def _state(outcome: Outcome, final: bool) -> State:
    if outcome == Outcome.SKIPPED:
        return State.CANCELLED
    return State.FAILED if final else State.READY


def _delay(error: BaseException, claimed: ClaimedDelivery, receiver: QueuedReceiver) -> float:
    try:  # a subclass of RetryAfter may forget its seconds
        seconds = error.seconds if isinstance(error, RetryAfter) else receiver.options.backoff(claimed.attempt)
        return max(0.0, float(seconds))
    except Exception:
        logger.exception("The backoff of %s failed; the default one decides.", receiver.key)
        return exponential()(claimed.attempt)


def _text(error: BaseException) -> str:
    kind = type(error).__qualname__
    try:
        return str(error) or f"(a {kind} without a message)"
    except Exception:
        return f"(a {kind} that cannot be printed)"


def kept_message(text: str) -> str:
    """Return what is kept of an error's message: its beginning, secrets masked."""
    return masked_text(_clean(text[: 2 * LONGEST_MESSAGE]))[:LONGEST_MESSAGE]


def kept_traceback(text: str) -> str:
    """Return what is kept of a traceback: its end, which says what happened, secrets masked.

    No traceback has the values of variables, so those that ``sensitive_variables`` names are not in it either.
    """
    return masked_text(_clean(text[-2 * LONGEST_TRACEBACK :]))[-LONGEST_TRACEBACK:]


def _clean(text: str) -> str:
    """Drop what PostgreSQL cannot store in a text: NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
