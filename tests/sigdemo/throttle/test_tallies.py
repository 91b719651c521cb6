"""Counting tries."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from sigdemo.throttle.limits import Limit, TooOften, count, uncount
from sigdemo.throttle.models import Tally

LIMIT = Limit(what="test", most=3, seconds=60, told="Three are enough.")
NOON = datetime(2026, 11, 23, 12, 0, 20, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock to so many seconds after twenty past noon."""

    def at(seconds: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=seconds))

    at(0)
    return at


def tries(number: int, client: str = "ada", limit: Limit = LIMIT) -> int:
    """Try so often; return how many tries were let through."""
    allowed = 0
    for _ in range(number):
        try:
            count(limit, client)
        except TooOften:
            continue
        allowed += 1
    return allowed


@pytest.mark.django_db
def test_a_client_may_try_so_often_and_no_oftener(clock: Callable[[float], None]) -> None:
    assert tries(5) == 3
    assert tries(5, "grace") == 3  # somebody else
    assert tries(5, limit=Limit(what="other", most=2, seconds=60, told="")) == 2  # something else


@pytest.mark.django_db
def test_whoever_tries_too_often_is_told_how_long_to_wait(clock: Callable[[float], None]) -> None:
    tries(3)
    with pytest.raises(TooOften, match=r"Three are enough\.") as told:
        count(LIMIT, "ada")
    assert told.value.seconds == 60


@pytest.mark.django_db
def test_no_stretch_of_time_has_more_tries_than_the_limit_wherever_it_begins(clock: Callable[[float], None]) -> None:
    let_through = []
    for second in range(0, 600, 7):
        clock(second)
        let_through += [second] * tries(2)
    assert [second for second in let_through if second < 60] == [0, 0, 7]
    for begin in range(600):
        assert sum(begin <= second < begin + LIMIT.seconds for second in let_through) <= LIMIT.most


@pytest.mark.django_db
def test_what_does_not_count_any_more_is_forgotten(clock: Callable[[float], None]) -> None:
    tries(1)
    clock(61)
    tries(1, "grace")
    assert Tally.objects.get().client == "grace"


@pytest.mark.django_db
def test_a_try_that_was_right_is_taken_back_and_no_other(clock: Callable[[float], None]) -> None:
    tries(2)
    uncount(LIMIT, "ada")
    assert tries(5) == 2
    uncount(LIMIT, "nobody")


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_tries_at_once_cannot_outrun_the_count(clock: Callable[[float], None]) -> None:
    def try_twice(number: int) -> int:
        try:
            return tries(2)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_twice, range(8))) == 3
    assert len(Tally.objects.get().tries) == 3
