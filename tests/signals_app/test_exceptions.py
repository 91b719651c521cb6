"""What is raised, and what its reader sees."""

from __future__ import annotations

import pytest

from signals_app import exceptions
from signals_app.exceptions import Defer, PayloadError, PayloadTooLarge, RetryAfter, SignalsAppError

ERRORS = [value for value in vars(exceptions).values() if isinstance(value, type)]


def test_one_except_clause_catches_everything_of_the_app() -> None:
    assert len(ERRORS) >= 8
    assert [error for error in ERRORS if not issubclass(error, SignalsAppError)] == []
    assert not issubclass(SignalsAppError, (ValueError, TypeError, RuntimeError))
    assert issubclass(PayloadTooLarge, PayloadError)


@pytest.mark.parametrize("error", [error for error in ERRORS if error not in (Defer, RetryAfter)])
def test_raised_bare_it_says_its_docstring(error: type[SignalsAppError]) -> None:
    assert str(error()) == error.__doc__
    assert str(error("the customer is gone")) == "the customer is gone"


def test_what_asks_for_a_delay_says_its_reason_or_how_long() -> None:
    assert (RetryAfter(90).seconds, str(RetryAfter(90))) == (90.0, "The receiver asked to run again after 90 s.")
    assert (Defer(90).seconds, str(Defer(90))) == (90.0, "The receiver put it off by 90 s.")
    assert str(RetryAfter(0, "the service asked for a pause")) == "the service asked for a pause"


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_what_is_no_delay_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"^RetryAfter takes zero or more seconds, not "):
        RetryAfter(seconds)
    with pytest.raises(ValueError, match=r"^Defer takes more than zero seconds, not "):
        Defer(min(seconds, 0))
