"""The shop's side of the warehouse: one HTTP POST per order, and what its answer means."""

import json
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from django.conf import settings

from sigdemo.shop import warehouse
from sigdemo.shop.models import Order
from signals_app.exceptions import PermanentFailure, RetryAfter

TIMEOUT = 10  # seconds for each step on the wire
LONGEST_DELAY = 3600  # seconds; a warehouse that asks for more is asked again after that
SHOWN = 200  # characters of an answer that are worth a line in the record
TEMPORARY = frozenset({408, 425, 429})


class WarehouseUnavailable(Exception):
    """The warehouse did not take the notice this time."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirected POST would become a GET and be lost, so a redirect is an answer like any other."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def notify(order: Order, *, key: str) -> None:
    """POST what to pack for ``order`` to ``settings.WAREHOUSE_URL``; ``key`` names this notice.

    Raises ``WarehouseUnavailable`` when trying again may help, ``RetryAfter`` when the warehouse
    says when, ``PermanentFailure`` when it says that the notice itself is wrong.
    """
    url = settings.WAREHOUSE_URL
    if urlsplit(url).scheme not in {"http", "https"}:
        raise PermanentFailure(f"WAREHOUSE_URL must be an http or https address, not {url!r}.")
    body = json.dumps(_notice(order)).encode()
    headers = {
        "Content-Type": "application/json",
        warehouse.KEY_HEADER: key,
        warehouse.SIGNATURE_HEADER: warehouse.sign(body),
    }
    request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (scheme checked)
    try:
        with build_opener(ProxyHandler({}), _NoRedirects).open(request, timeout=TIMEOUT):
            return
    except HTTPError as answer:
        with answer:
            raise _meaning(url, answer) from None
    except OSError as error:
        raise WarehouseUnavailable(f"The warehouse at {url} could not be reached: {error}") from error


def _notice(order: Order) -> dict[str, object]:
    lines = order.lines.select_related("product").order_by("product_id")
    return {
        "order": order.number,
        "lines": [{"sku": line.product.sku, "quantity": line.quantity} for line in lines],
    }


def _meaning(url: str, answer: HTTPError) -> Exception:
    said = answer.read(4 * SHOWN).decode(errors="replace")[:SHOWN]
    text = f"The warehouse at {url} answered {answer.code}: {said}"
    temporary = answer.code >= 500 or answer.code in TEMPORARY
    if not temporary:
        return PermanentFailure(text)
    seconds = _retry_after(answer.headers)
    return WarehouseUnavailable(text) if seconds is None else RetryAfter(seconds, text)


def _retry_after(headers: Message) -> float | None:
    """Return the seconds a Retry-After header asks for (a number or a date); None without one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), LONGEST_DELAY)
    try:
        asked = parsedate_to_datetime(value)
    except ValueError:
        return None
    asked = asked if asked.tzinfo else asked.replace(tzinfo=UTC)
    return min(max((asked - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_DELAY)
