"""What is raised, and what its reader sees."""

from __future__ import annotations

import pytest

from signals_app import exceptions
from signals_app.exceptions import (
    LeaseLost,
    MissingObject,
    PayloadError,
    PayloadTooLarge,
    PermanentFailure,
    ReceiverError,
    RetryAfter,
    SignalsAppError,
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SignalsAppError, "The signals_app could not do what it was asked."),
        (PayloadError, "A signal argument cannot travel to a worker."),
        (PayloadTooLarge, 'The arguments of a signal are larger than SIGNALS_APP["MAX_PAYLOAD"] allows.'),
        (MissingObject, "A model instance named by a payload does not exist any more."),
        (ReceiverError, "A function cannot be a queued receiver, because a worker could not find or call it."),
        (PermanentFailure, "Raised by a receiver: trying again cannot help; the delivery is FAILED at once."),
        (LeaseLost, "Another claim holds this delivery now; what this worker did for it is not recorded."),
    ],
)
def test_raised_bare_it_says_its_docstring(error: type[SignalsAppError], message: str) -> None:
    assert str(error()) == message
    assert str(error("the customer is gone")) == "the customer is gone"


def test_one_except_clause_catches_everything_of_the_app() -> None:
    errors = [value for value in vars(exceptions).values() if isinstance(value, type)]

    assert len(errors) >= 8
    assert [error for error in errors if not issubclass(error, SignalsAppError)] == []
    assert not issubclass(SignalsAppError, (ValueError, TypeError, RuntimeError))


def test_too_large_is_a_payload_error() -> None:
    assert issubclass(PayloadTooLarge, PayloadError)


def test_retry_after_says_in_how_many_seconds() -> None:
    error = RetryAfter(90)

    assert error.seconds == 90.0
    assert str(error) == "The receiver asked to run again after 90 s."


def test_retry_after_says_its_reason_instead() -> None:
    assert str(RetryAfter(0, "the service asked for a pause")) == "the service asked for a pause"


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_retry_after_refuses_what_is_no_delay(seconds: float) -> None:
    with pytest.raises(ValueError, match="RetryAfter takes zero or more seconds, not") as caught:
        RetryAfter(seconds)

    assert str(caught.value) == f"RetryAfter takes zero or more seconds, not {seconds!r}."
