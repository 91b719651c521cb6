"""Who a visitor is to the limits, how tries are counted, and what a visitor reads who does something too often."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from sigdemo.shop.models import Order
from sigdemo.throttle.clients import client_of
from sigdemo.throttle.limits import CHECKOUT, LOGIN, OUTAGE, Limit, TooOften, count, uncount
from sigdemo.throttle.models import Tally
from tests.sigdemo.shop.goods import bell

LIMIT = Limit(what="test", most=3, seconds=60, told="Three are enough.")
NOON = datetime(2026, 11, 23, 12, 0, 20, tzinfo=UTC)
Clock = Callable[[float], None]


def client(address: str, passed_on: str = "") -> str:
    """Return who asks from an address, through what proxies wrote."""
    headers = {"X-Forwarded-For": passed_on} if passed_on else {}
    return client_of(RequestFactory().get("/", REMOTE_ADDR=address, headers=headers))


def test_a_client_is_a_hash_of_the_network_that_a_customer_has() -> None:
    assert client("10.0.0.1") == client("10.0.0.1") != client("10.0.0.2")
    assert "10.0.0.1" not in client("10.0.0.1")
    assert client("2001:db8:1:2::1") == client("2001:db8:1:2:ffff::9") != client("2001:db8:1:3::1")
    assert client("::ffff:10.0.0.1") == client("10.0.0.1")


@pytest.mark.parametrize(
    ("proxies", "passed_on", "seen"),
    [
        (0, "10.9.9.9", "192.0.2.9"),  # anybody may write a header
        (1, "10.0.0.1", "10.0.0.1"),
        (1, "10.9.9.9, 10.0.0.1", "10.0.0.1"),  # the first is what the client claims
        (2, "10.9.9.9, 10.0.0.1, 192.0.2.1", "10.0.0.1"),
        (2, "10.0.0.1", "192.0.2.9"),  # it did not come through both
        *((1, empty, "192.0.2.9") for empty in ("", " , ")),
        (1, "10.0.0.1:5678", "10.0.0.1"),
        *((1, address, "2001:db8:1:2::9") for address in ("[2001:db8:1:2::1]:443", "[2001:db8:1:2::1]")),
        (1, '"[2001:db8:1:2::1]:443"', "2001:db8:1:2::9"),
        (1, "[::ffff:10.0.0.1]:443", "10.0.0.1"),
        (1, "fe80::1%eth0", "fe80::2"),
    ],
)
def test_behind_proxies_the_address_is_the_one_that_ours_saw(
    proxies: int, passed_on: str, seen: str, settings: Settings
) -> None:
    settings.PROXIES = proxies
    asked = client("192.0.2.9", passed_on)
    settings.PROXIES = 0
    assert asked == client(seen) != client("198.51.100.1")


@pytest.mark.parametrize("address", ["", "nonsense", "unix:", "10.0.0.256", "unknown", "_hidden", "[", "a:1", "a:2"])
def test_all_addresses_that_are_none_are_one_client(address: str, settings: Settings) -> None:
    assert client(address) == client("another")
    settings.PROXIES = 1
    assert client("192.0.2.9", address or "another") == client("", "another")


@pytest.fixture
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let no time pass but to so many seconds after twenty past noon."""

    def at(seconds: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=seconds))

    at(0)
    return at


def tries(number: int, client: str = "ada", limit: Limit = LIMIT) -> int:
    """Try so often; return how many tries were let through."""
    allowed = 0
    for _ in range(number):
        with suppress(TooOften):
            count(limit, client)
            allowed += 1
    return allowed


def test_a_client_may_try_so_often_and_is_told_how_long_to_wait_then(clock: Clock) -> None:
    assert tries(5) == 3
    assert tries(5, "grace") == 3  # somebody else
    assert tries(5, limit=Limit(what="other", most=2, seconds=60, told="")) == 2  # something else
    with pytest.raises(TooOften, match=r"Three are enough\.") as told:
        count(LIMIT, "ada")
    assert told.value.seconds == 60


def test_no_stretch_of_time_has_more_tries_than_the_limit_wherever_it_begins(clock: Clock) -> None:
    let_through = []
    for second in range(0, 600, 7):
        clock(second)
        let_through += [second] * tries(2)
    assert [second for second in let_through if second < 60] == [0, 0, 7]
    for begin in range(600):
        assert sum(begin <= second < begin + LIMIT.seconds for second in let_through) <= LIMIT.most


def test_what_does_not_count_any_more_is_forgotten_and_what_was_right_is_taken_back(clock: Clock) -> None:
    tries(1)
    clock(61)
    tries(2, "grace")
    assert Tally.objects.get().client == "grace"
    uncount(LIMIT, "grace")
    assert tries(5, "grace") == 2
    uncount(LIMIT, "nobody")


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_tries_at_once_cannot_outrun_the_count() -> None:
    def try_twice(number: int) -> int:
        try:
            return tries(2)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_twice, range(8))) == 3
    assert len(Tally.objects.get().tries) == 3


def until_refused(limit: Limit, client: Client, path: str, form: dict[str, str]) -> tuple[Any, str]:
    """Send as often as the limit allows, and once more; return the last answer and its page."""
    answers = [client.post(path, form) for _ in range(limit.most + 1)]
    assert [answer.status_code == 429 for answer in answers] == [*[False] * limit.most, True]
    return answers[-1], answers[-1].content.decode()


def log_in(password: str, client: Client) -> int:
    return client.post("/admin/login/", {"username": "boss", "password": password}).status_code


def test_passwords_cannot_be_tried_without_end(clock: Clock, client: Client) -> None:
    User.objects.create_superuser("boss", password="right")
    for _ in range(LOGIN.most + 5):
        assert log_in("right", client) == 302  # whoever knows it is never too often
        assert client.get("/admin/login/", follow=True).status_code == 200  # and looking is free
    answer, page = until_refused(LOGIN, client, "/admin/login/", {"username": "boss", "password": "wrong"})
    assert answer["Retry-After"] == "300"
    assert "Ten logins that failed within five minutes came from your address" in page
    assert "Try again in 300 seconds. Nothing was done." in page
    assert log_in("right", client) == 429  # else the wait would tell which one is right
    assert log_in("right", Client(REMOTE_ADDR="10.1.1.1")) == 302  # others are let in


def test_an_account_of_ones_own_clears_no_failures(clock: Clock, client: Client) -> None:
    User.objects.create_superuser("boss", password="right")
    for _ in range(LOGIN.most - 1):
        log_in("wrong", client)
        log_in("right", client)
    assert (log_in("wrong", client), log_in("right", client)) == (200, 429)


def test_orders_and_outages_cannot_be_sent_without_end(clock: Clock, client: Client, settings: Settings) -> None:
    form = {"name": "Ada", "email": "ada@example.com", f"quantity-{bell().pk}": "0"}
    _, page = until_refused(CHECKOUT, client, "/shop/", form)
    assert "Thirty orders within a minute came from your address" in page
    assert client.get("/shop/").status_code == 200
    assert not Order.objects.exists()
    settings.DEBUG = True
    _, page = until_refused(OUTAGE, client, "/shop/warehouse/outage/", {"failures": "1"})
    assert "the warehouse was told to fail from your address" in page
