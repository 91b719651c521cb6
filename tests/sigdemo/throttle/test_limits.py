"""What a visitor reads who does something too often."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sigdemo.shop.models import Order, Product
from sigdemo.throttle.limits import CHECKOUT, LOGIN, OUTAGE
from tests.sigdemo.shop.goods import bell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass."""
    now = datetime.now(UTC).replace(minute=0, second=30, microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: now)


def until_refused(limit: int, send: Callable[[], Any]) -> Any:
    """Send as often as the limit allows, and once more; return the last answer."""
    for _ in range(limit):
        assert send().status_code != 429
    return send()


def log_in(password: str, client: Client) -> Any:
    """Try a password."""
    return client.post("/admin/login/", {"username": "boss", "password": password})


def test_passwords_cannot_be_tried_without_end(client: Client) -> None:
    User.objects.create_superuser("boss", password="right")

    answer = until_refused(LOGIN.most, lambda: log_in("wrong", client))

    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert "That was too often" in page
    assert "Ten logins that failed within five minutes came from your address" in page
    assert "Try again in 300 seconds. Nothing was done." in page
    assert log_in("right", client).status_code == 429  # else the wait would tell which one is right
    assert log_in("right", Client(REMOTE_ADDR="10.1.1.1")).status_code == 302  # others are let in


def test_whoever_knows_the_password_is_never_too_often(client: Client) -> None:
    User.objects.create_superuser("boss", password="right")
    for _ in range(LOGIN.most + 5):
        assert log_in("right", client).status_code == 302


def test_an_account_of_ones_own_clears_no_failures(client: Client) -> None:
    User.objects.create_superuser("boss", password="right")
    for _ in range(LOGIN.most - 1):
        log_in("wrong", client)
        log_in("right", client)
    assert log_in("wrong", client).status_code == 200
    assert log_in("right", client).status_code == 429


def test_looking_at_the_login_is_free(client: Client) -> None:
    for _ in range(LOGIN.most + 5):
        assert client.get("/admin/login/").status_code == 200


def test_orders_cannot_be_placed_without_end(client: Client) -> None:
    product: Product = bell()
    form = {"name": "Ada", "email": "ada@example.com", f"quantity-{product.pk}": "0"}

    answer = until_refused(CHECKOUT.most, lambda: client.post("/shop/", form))

    assert answer.status_code == 429
    assert "Thirty orders within a minute came from your address" in answer.content.decode()
    assert client.get("/shop/").status_code == 200
    assert not Order.objects.exists()


def test_the_warehouse_cannot_be_told_to_fail_without_end(client: Client, settings: Settings) -> None:
    settings.DEBUG = True

    answer = until_refused(OUTAGE.most, lambda: client.post("/shop/warehouse/outage/", {"failures": "1"}))

    assert answer.status_code == 429
    assert "the warehouse was told to fail from your address" in answer.content.decode()
