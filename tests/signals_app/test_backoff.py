"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signals_app.backoff import Backoff, exponential, fixed, linear

DRAWS = 500


def test_exponential_doubles_up_to_its_cap() -> None:
    backoff = exponential(jitter=0)

    assert [backoff(attempts) for attempts in (1, 2, 3, 9, 10, 11)] == [2, 4, 8, 512, 600, 600]


def test_exponential_takes_another_base_and_cap() -> None:
    backoff = exponential(base=3, cap=50, jitter=0)

    assert [backoff(attempts) for attempts in (1, 2, 3, 4)] == [3, 9, 27, 50]


def test_exponential_does_not_overflow_after_very_many_attempts() -> None:
    assert exponential(base=1000, jitter=0)(10_000) == 600


def test_linear_grows_by_its_step_up_to_its_cap() -> None:
    backoff = linear(step=10, cap=35, jitter=0)

    assert [backoff(attempts) for attempts in (1, 2, 3, 4, 5)] == [10, 20, 30, 35, 35]


def test_fixed_is_the_same_before_every_attempt() -> None:
    assert {fixed(7)(attempts) for attempts in range(1, 50)} == {7}


@pytest.mark.parametrize("backoff", [exponential(jitter=0), linear(jitter=0)])
def test_no_attempt_yet_counts_as_the_first(backoff: Backoff) -> None:
    assert backoff(0) == backoff(1) > 0


@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [
        (exponential(), 6, 8),
        (linear(), 22.5, 30),
        (fixed(8, jitter=0.5), 4, 8),
        (exponential(jitter=1), 0, 8),
        (exponential(cap=4), 3, 4),
    ],
)
def test_jitter_takes_off_a_random_share_and_never_adds(backoff: Backoff, least: float, most: float) -> None:
    delays = [backoff(3) for _ in range(DRAWS)]

    assert least <= min(delays) < max(delays) <= most
    assert max(delays) - min(delays) > (most - least) / 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exponential(base=0.5), "base lies between 1 and 1000, not 0.5."),
        (lambda: exponential(base=float("nan")), "base lies between 1 and 1000, not nan."),
        (lambda: exponential(cap=-1), "cap takes zero or more seconds, not -1."),
        (lambda: linear(cap=float("inf")), "cap takes zero or more seconds, not inf."),
        (lambda: linear(step=-5), "step takes zero or more seconds, not -5."),
        (lambda: exponential(jitter=1.5), "jitter is a share between 0 and 1, not 1.5."),
        (lambda: fixed(3, jitter=-0.1), "jitter is a share between 0 and 1, not -0.1."),
        (lambda: fixed(-3), "fixed takes zero or more seconds, not -3."),
    ],
)
def test_wrong_figures_are_refused_where_they_are_written(make: Callable[[], Backoff], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        make()

    assert str(caught.value) == message


def test_a_backoff_is_a_value() -> None:
    assert exponential(base=3) == exponential(base=3) != exponential(base=4)
    assert len({fixed(1), fixed(1), linear(step=1, cap=1, jitter=0)}) == 1


@pytest.mark.parametrize(
    "backoff", [exponential(base=3, jitter=0), linear(step=0.5, cap=60), fixed(8), fixed(1, jitter=0.5)]
)
def test_it_reads_as_it_was_made(backoff: Backoff) -> None:
    assert eval(repr(backoff), {"exponential": exponential, "linear": linear, "fixed": fixed}) == backoff
