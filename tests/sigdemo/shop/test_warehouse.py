"""The demo's warehouse: strict about what it takes, and never a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from sigdemo.shop.models import WarehouseNotice, WarehouseOutage
from sigdemo.shop.warehouse import KEY_HEADER, MOST_BYTES, SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

pytestmark = pytest.mark.django_db
NOTICE = {"order": "SO-000001", "lines": [{"sku": "bell", "quantity": 2}]}


def post(
    client: Client,
    body: bytes | object,
    *,
    key: str = "key-1",
    signature: str | None = None,
    content_type: str = "application/json",
) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {KEY_HEADER: key, SIGNATURE_HEADER: sign(sent) if signature is None else signature}
    return client.post("/shop/warehouse/", sent, content_type=content_type, headers=headers)


def said(answer: Answer) -> str:
    assert answer["Content-Type"] == "application/json"
    error: str = json.loads(answer.content)["error"]
    return error


def test_a_notice_is_kept_once_and_refused_as_often_as_was_planned(client: Client) -> None:
    WarehouseOutage.plan(2)
    answers = [post(client, NOTICE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 201, 200]
    assert said(answers[0]) == "The warehouse is out of order, as it was told to be. Try again."
    assert WarehouseOutage.left() == 0
    receipts = [json.loads(answer.content) for answer in answers[2:]]
    assert receipts == [{"order": "SO-000001", "known": known} for known in (False, True)]
    kept = WarehouseNotice.objects.get()
    assert (kept.key, kept.order_number, kept.body, kept.pieces) == ("key-1", "SO-000001", NOTICE, 2)


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    answer = getattr(client, method)("/shop/warehouse/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    if method != "head":
        assert said(answer) == "Send notices by POST."


WRONG_SIGNATURE = "The X-Sigdemo-Signature header does not fit the body."
NO_ORDER = "The notice needs 'order', a number of 1 to 20 characters."
NO_LINES = "The notice needs 'lines', each with 'sku' and 'quantity'."
NO_KEY = "Send an Idempotency-Key header of 1 to 200 characters."
ORDERS: list[object] = [None, 7, "", "x" * 21, "a\x00", "\ud800", ["SO-1"]]
LINES: list[object] = [
    *(None, [], {}, "bell", [7], [{}], [{"sku": "bell"}]),
    *([{"sku": "bell", "quantity": quantity}] for quantity in (0, 100, True, 1.0, "1")),
    *([{"sku": sku, "quantity": 1}] for sku in ("", "bell\x00")),
]


@pytest.mark.parametrize(
    ("body", "more", "status", "words"),
    [
        (NOTICE, {"content_type": "text/plain"}, 415, "Send the notice as application/json."),
        (b" " * (MOST_BYTES + 1), {}, 413, "A notice may have at most 16384 bytes."),
        *((NOTICE, {"signature": signature}, 401, WRONG_SIGNATURE) for signature in ("", "0" * 64, "é")),
        *((NOTICE, {"key": key}, 400, NO_KEY) for key in ("", "x" * 201, "a\tb")),
        *((body, {}, 400, "The body is not JSON.") for body in (b" ", b"{", b"\xff\xfe", b"[" * 10_000, b"nonsense")),
        *((NOTICE | {"order": order}, {}, 400, NO_ORDER) for order in ORDERS),
        *((NOTICE | {"lines": lines}, {}, 400, NO_LINES) for lines in LINES),
    ],
)
def test_what_makes_no_notice_is_refused_in_a_sentence(
    client: Client, body: object, more: dict[str, str], status: int, words: str
) -> None:
    answer = post(client, body, **more)
    assert (answer.status_code, said(answer)) == (status, words)
    assert not WarehouseNotice.objects.exists()
