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


def test_the_notice_says_what_to_pack_and_the_shops_own_warehouse_takes_it(placed: Order, warehouse: Warehouse) -> None:
    notify(placed, key="key-1")
    [received] = warehouse.received
    lines = [{"sku": "bell", "quantity": 2}, {"sku": "lamp", "quantity": 1}]
    assert json.loads(received.body) == {"order": placed.number, "lines": lines}
    headers = {"content_type": "Content-Type", "key": "Idempotency-Key", "signature": "X-Sigdemo-Signature"}
    shop_warehouse.accept(body=received.body, **{name: received.headers[header] for name, header in headers.items()})
    assert (WarehouseNotice.objects.get().order_number, received.headers["Idempotency-Key"]) == (placed.number, "key-1")


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


def ahead(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("7", 7), (" 12 ", 12), ("9" * 12, 3600), (1800, 1800), (-90, 0), (10**6, 3600)],
    ids=["seconds", "spaces", "long", "a date", "a date that is over", "a date far ahead"],
)
def test_a_delay_is_honoured_up_to_an_hour(
    placed: Order, warehouse: Warehouse, asked: str | int, seconds: float
) -> None:
    warehouse.status = 503
    warehouse.headers = {"Retry-After": ahead(asked) if isinstance(asked, int) else asked}
    with pytest.raises(RetryAfter, match="answered 503") as raised:
        notify(placed, key="key-1")
    assert raised.value.seconds == pytest.approx(seconds, abs=60 if seconds == 1800 else 0)


@pytest.mark.parametrize("nonsense", ["soon", "-5", "1.5", "", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_delay_that_is_none_leaves_it_to_the_backoff_and_a_long_answer_is_cut(
    placed: Order, warehouse: Warehouse, nonsense: str
) -> None:
    warehouse.status, warehouse.headers, warehouse.body = 503, {"Retry-After": nonsense}, b"\xff" * 1_000_000
    with pytest.raises(WarehouseUnavailable) as raised:
        notify(placed, key="key-1")
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(("listens", "words"), [(False, "[Rr]efused"), (True, "timed out")])
def test_nobody_there_or_a_silent_one_is_worth_another_attempt(
    placed: Order, settings: Settings, monkeypatch: pytest.MonkeyPatch, listens: bool, words: str
) -> None:
    monkeypatch.setattr(warehouse_client, "TIMEOUT", 0.2)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        if listens:
            unheard.listen()
        settings.WAREHOUSE_URL = f"http://127.0.0.1:{unheard.getsockname()[1]}/"
        with pytest.raises(WarehouseUnavailable, match=f"could not be reached: .*{words}"):
            notify(placed, key="key-1")


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "ftp://example.com/", "warehouse"])
def test_an_address_that_is_no_website_is_refused(placed: Order, settings: Settings, address: str) -> None:
    settings.WAREHOUSE_URL = address
    with pytest.raises(PermanentFailure, match="WAREHOUSE_URL must be an http or https address"):
        notify(placed, key="key-1")
