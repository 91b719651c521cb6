"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signals_app.backoff import Backoff, exponential, fixed, linear


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (exponential(jitter=0), {0: 2, 1: 2, 2: 4, 3: 8, 9: 512, 10: 600, 11: 600}),
        (exponential(base=3, cap=50, jitter=0), {1: 3, 2: 9, 3: 27, 4: 50}),
        (exponential(base=1000, jitter=0), {10_000: 600}),
        (linear(step=10, cap=35, jitter=0), {0: 10, 1: 10, 2: 20, 3: 30, 4: 35, 5: 35}),
        (fixed(7), {1: 7, 2: 7, 50: 7}),
    ],
    ids=str,
)
def test_the_delay_grows_up_to_its_cap(backoff: Backoff, delays: dict[int, float]) -> None:
    assert {attempts: backoff(attempts) for attempts in delays} == delays


@pytest.mark.parametrize(
    ("backoff", "least", "most"),
    [
        (exponential(), 6, 8),
        (linear(), 22.5, 30),
        (fixed(8, jitter=0.5), 4, 8),
        (exponential(jitter=1), 0, 8),
        (exponential(cap=4), 3, 4),
    ],
    ids=str,
)
def test_jitter_takes_off_a_random_share_and_never_adds(backoff: Backoff, least: float, most: float) -> None:
    delays = [backoff(3) for _ in range(500)]

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


@pytest.mark.parametrize(
    "backoff", [exponential(base=3, jitter=0), linear(step=0.5, cap=60), fixed(8), fixed(1, jitter=0.5)], ids=str
)
def test_it_is_a_value_that_reads_as_it_was_made(backoff: Backoff) -> None:
    again = eval(repr(backoff), {"exponential": exponential, "linear": linear, "fixed": fixed})

    assert again == backoff != exponential(base=4)
    assert hash(again) == hash(backoff)
