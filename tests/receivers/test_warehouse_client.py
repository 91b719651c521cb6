"""Telling the warehouse: what is sent, and what each answer means."""

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from receivers import warehouse_client
from receivers.warehouse_client import WarehouseUnavailable, notify
from sigdemo.shop import warehouse as shop_warehouse
from sigdemo.shop.models import Order, WarehouseNotice
from signals_app.exceptions import PermanentFailure, RetryAfter
from tests.receivers.warehouse_server import Warehouse


def test_the_notice_says_what_to_pack(placed: Order, warehouse: Warehouse) -> None:
    notify(placed, key="key-1")

    [received] = warehouse.received
    assert json.loads(received.body) == {
        "order": placed.number,
        "lines": [{"sku": "bell", "quantity": 2}, {"sku": "lamp", "quantity": 1}],
    }
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Idempotency-Key"] == "key-1"


def test_the_shops_own_warehouse_takes_the_notice(placed: Order, warehouse: Warehouse) -> None:
    notify(placed, key="key-1")

    [received] = warehouse.received
    shop_warehouse.accept(
        body=received.body,
        content_type=received.headers["Content-Type"],
        key=received.headers["Idempotency-Key"],
        signature=received.headers["X-Sigdemo-Signature"],
    )
    assert WarehouseNotice.objects.get().order_number == placed.number


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
def test_a_passing_trouble_is_worth_another_attempt(placed: Order, warehouse: Warehouse, status: int) -> None:
    warehouse.status, warehouse.body = status, b"full"

    with pytest.raises(WarehouseUnavailable) as raised:
        notify(placed, key="key-1")
    assert str(raised.value) == f"The warehouse at {warehouse.url} answered {status}: full"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 415, 422])
def test_a_refusal_is_final(placed: Order, warehouse: Warehouse, status: int) -> None:
    warehouse.status, warehouse.headers = status, {"Location": "/elsewhere/"}

    with pytest.raises(PermanentFailure, match=f"answered {status}"):
        notify(placed, key="key-1")
    assert len(warehouse.received) == 1


@pytest.mark.parametrize(("asked", "seconds"), [("7", 7), ("0", 0), (" 12 ", 12), ("999999999999", 3600)])
def test_a_delay_in_seconds_is_honoured_up_to_an_hour(
    placed: Order, warehouse: Warehouse, asked: str, seconds: float
) -> None:
    warehouse.status, warehouse.headers = 503, {"Retry-After": asked}

    with pytest.raises(RetryAfter, match="answered 503") as raised:
        notify(placed, key="key-1")
    assert raised.value.seconds == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (-90, 0), (10**6, 3600)])
def test_a_delay_as_a_date_is_honoured(placed: Order, warehouse: Warehouse, ahead: int, seconds: float) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    warehouse.status, warehouse.headers = 429, {"Retry-After": format_datetime(moment, usegmt=True)}

    with pytest.raises(RetryAfter) as raised:
        notify(placed, key="key-1")
    assert raised.value.seconds == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize("nonsense", ["soon", "-5", "1.5", "", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_delay_that_is_none_leaves_it_to_the_backoff(placed: Order, warehouse: Warehouse, nonsense: str) -> None:
    warehouse.status, warehouse.headers = 503, {"Retry-After": nonsense}

    with pytest.raises(WarehouseUnavailable):
        notify(placed, key="key-1")


def test_a_long_answer_is_cut_in_the_record(placed: Order, warehouse: Warehouse) -> None:
    warehouse.status, warehouse.body = 500, b"\xff" * 1_000_000

    with pytest.raises(WarehouseUnavailable) as raised:
        notify(placed, key="key-1")
    assert len(str(raised.value)) < 300


def test_nobody_there_is_worth_another_attempt(placed: Order, settings: Settings) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        settings.WAREHOUSE_URL = f"http://127.0.0.1:{unheard.getsockname()[1]}/"

        with pytest.raises(WarehouseUnavailable, match=r"could not be reached: .*[Rr]efused"):
            notify(placed, key="key-1")


def test_a_silent_warehouse_times_out(placed: Order, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse_client, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.WAREHOUSE_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        with pytest.raises(WarehouseUnavailable, match=r"could not be reached: .*timed out"):
            notify(placed, key="key-1")


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "ftp://example.com/", "warehouse"])
def test_an_address_that_is_no_website_is_refused(placed: Order, settings: Settings, address: str) -> None:
    settings.WAREHOUSE_URL = address

    with pytest.raises(PermanentFailure, match="WAREHOUSE_URL must be an http or https address"):
        notify(placed, key="key-1")
