"""Who a visitor is to the limits."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from sigdemo.throttle.clients import client_of


def client(address: str, passed_on: str = "") -> str:
    """Return who asks from an address, through what proxies wrote."""
    headers = {"X-Forwarded-For": passed_on} if passed_on else {}
    return client_of(RequestFactory().get("/", REMOTE_ADDR=address, headers=headers))


def test_a_client_is_known_by_a_hash_of_the_address() -> None:
    assert client("10.0.0.1") == client("10.0.0.1") != client("10.0.0.2")
    assert "10.0.0.1" not in client("10.0.0.1")


def test_one_customers_addresses_are_one_client() -> None:
    assert client("2001:db8:1:2::1") == client("2001:db8:1:2:ffff::9") != client("2001:db8:1:3::1")
    assert client("::ffff:10.0.0.1") == client("10.0.0.1")


def test_nobody_takes_another_address_by_a_header() -> None:
    assert client("10.0.0.1", "10.9.9.9") == client("10.0.0.1")


@pytest.mark.parametrize(
    ("proxies", "passed_on", "seen"),
    [
        (1, "10.0.0.1", "10.0.0.1"),
        (1, "10.9.9.9, 10.0.0.1", "10.0.0.1"),  # the first is what the client claims
        (2, "10.9.9.9, 10.0.0.1, 192.0.2.1", "10.0.0.1"),
        (2, "10.0.0.1", "192.0.2.9"),  # it did not come through both
        (1, "", "192.0.2.9"),
        (1, " , ", "192.0.2.9"),
    ],
)
def test_behind_proxies_the_address_is_the_one_that_ours_saw(
    proxies: int, passed_on: str, seen: str, settings: Settings
) -> None:
    settings.PROXIES = proxies
    asked = client("192.0.2.9", passed_on)
    settings.PROXIES = 0
    assert asked == client(seen)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("10.0.0.1:5678", "10.0.0.1"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::9"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::9"),
        ('"[2001:db8:1:2::1]:443"', "2001:db8:1:2::9"),
        ("[::ffff:10.0.0.1]:443", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_a_port_or_a_zone_makes_no_new_client(written: str, seen: str, settings: Settings) -> None:
    settings.PROXIES = 1
    assert client("192.0.2.9", written) == client("192.0.2.9", seen) != client("192.0.2.9", "198.51.100.1")


@pytest.mark.parametrize("address", ["", "nonsense", "unix:", "10.0.0.256", "unknown", "_hidden", "[", "a:1", "a:2"])
def test_all_addresses_that_are_none_are_one_client(address: str, settings: Settings) -> None:
    assert client(address) == client("another")
    settings.PROXIES = 1
    assert client("192.0.2.9", address or "another") == client("", "another")
