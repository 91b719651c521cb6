"""The demo's own warehouse: takes notices of orders by HTTP, once per idempotency key.

It stands for a service of somebody else, so it trusts nothing: the size is bounded, the body is
signed by the shop and checked field by field, and every answer is JSON.
"""

import hmac
import json
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac

from sigdemo.shop.models import WarehouseNotice, WarehouseOutage

MOST_BYTES = 16 * 1024
MOST_KEY = 200
SIGNATURE_HEADER = "X-Sigdemo-Signature"
KEY_HEADER = "Idempotency-Key"


class NoticeRefused(Exception):
    """The warehouse refuses a request; ``status`` is the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the warehouse answers to a notice. ``known`` says that the key had been used before."""

    order: str
    known: bool


def sign(body: bytes) -> str:
    """Return the signature of a request body, from the site's secret key."""
    return salted_hmac("sigdemo.shop.warehouse", body, algorithm="sha256").hexdigest()


def accept(*, body: bytes, content_type: str, key: str, signature: str) -> Receipt:
    """Take a notice, or raise ``NoticeRefused``. The same key again changes nothing."""
    if content_type != "application/json":
        raise NoticeRefused(415, "Send the notice as application/json.")
    if len(body) > MOST_BYTES:
        raise NoticeRefused(413, f"A notice may have at most {MOST_BYTES} bytes.")
    if not hmac.compare_digest(signature.encode(), sign(body).encode()):
        raise NoticeRefused(401, f"The {SIGNATURE_HEADER} header does not fit the body.")
    if not key or len(key) > MOST_KEY or not key.isprintable():
        raise NoticeRefused(400, f"Send an {KEY_HEADER} header of 1 to {MOST_KEY} characters.")
    notice = _parse(body)
    if WarehouseOutage.strikes():
        raise NoticeRefused(503, "The warehouse is out of order, as it was told to be. Try again.")
    _, new = WarehouseNotice.objects.get_or_create(key=key, defaults={"order_number": notice["order"], "body": notice})
    return Receipt(order=notice["order"], known=not new)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        notice = json.loads(body)
    except (ValueError, RecursionError):
        raise NoticeRefused(400, "The body is not JSON.") from None
    if not isinstance(notice, dict) or not _is_text(notice.get("order"), most=20):
        raise NoticeRefused(400, "The notice needs 'order', a number of 1 to 20 characters.")
    lines = notice.get("lines")
    if not isinstance(lines, list) or not lines or not all(map(_is_line, lines)):
        raise NoticeRefused(400, "The notice needs 'lines', each with 'sku' and 'quantity'.")
    return {"order": notice["order"], "lines": [_line(line) for line in lines]}


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {"sku": line["sku"], "quantity": line["quantity"]}


def _is_line(line: object) -> bool:
    if not isinstance(line, dict) or not _is_text(line.get("sku"), most=40):
        return False
    quantity = line.get("quantity")
    return type(quantity) is int and 1 <= quantity <= 99


def _is_text(value: object, *, most: int) -> bool:
    # PostgreSQL stores neither NUL nor lone surrogates; isprintable() is false for both.
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable()
