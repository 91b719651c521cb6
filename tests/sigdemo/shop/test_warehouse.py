"""The demo's warehouse: strict about what it takes, and never a 500."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def test_a_new_notice_is_kept(client: Client) -> None:
    answer = post(client, NOTICE)

    assert (answer.status_code, json.loads(answer.content)) == (201, {"order": "SO-000001", "known": False})
    kept = WarehouseNotice.objects.get()
    assert (kept.key, kept.order_number, kept.body, kept.pieces) == ("key-1", "SO-000001", NOTICE, 2)


def test_the_same_key_again_changes_nothing(client: Client) -> None:
    post(client, NOTICE)
    answer = post(client, NOTICE)

    assert (answer.status_code, json.loads(answer.content)["known"]) == (200, True)
    assert WarehouseNotice.objects.count() == 1


def test_it_fails_as_often_as_it_was_told(client: Client) -> None:
    WarehouseOutage.plan(2)

    assert [post(client, NOTICE).status_code for _ in range(4)] == [503, 503, 201, 200]
    assert WarehouseOutage.left() == 0


def test_a_planned_failure_says_that_it_was_planned(client: Client) -> None:
    WarehouseOutage.plan(1)

    assert said(post(client, NOTICE)) == "The warehouse is out of order, as it was told to be. Try again."


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    answer = getattr(client, method)("/shop/warehouse/")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    if method != "head":
        assert said(answer) == "Send notices by POST."


def test_another_content_type_is_refused(client: Client) -> None:
    answer = post(client, NOTICE, content_type="text/plain")

    assert (answer.status_code, said(answer)) == (415, "Send the notice as application/json.")


def test_a_body_over_the_limit_is_refused(client: Client) -> None:
    answer = post(client, b" " * (MOST_BYTES + 1))
    assert (answer.status_code, said(answer)) == (413, "A notice may have at most 16384 bytes.")

    assert post(client, b" " * 20_000_000).status_code == 413


@pytest.mark.parametrize("signature", ["", "0" * 64, "é"])
def test_an_unsigned_notice_is_refused(client: Client, signature: str) -> None:
    answer = post(client, NOTICE, signature=signature)

    assert (answer.status_code, said(answer)) == (401, "The X-Sigdemo-Signature header does not fit the body.")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_notice_without_a_usable_key_is_refused(client: Client, key: str) -> None:
    answer = post(client, NOTICE, key=key)

    assert (answer.status_code, said(answer)) == (
        400,
        "Send an Idempotency-Key header of 1 to 200 characters.",
    )


@pytest.mark.parametrize("body", [b" ", b"{", b"\xff\xfe", b"[" * 10_000, b"nonsense"])
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    answer = post(client, body)

    assert (answer.status_code, said(answer)) == (400, "The body is not JSON.")


@pytest.mark.parametrize("order", [None, 7, "", "x" * 21, "a\x00", "\ud800", ["SO-1"]])
def test_a_notice_of_no_order_is_refused(client: Client, order: object) -> None:
    answer = post(client, NOTICE | {"order": order})

    assert (answer.status_code, said(answer)) == (
        400,
        "The notice needs 'order', a number of 1 to 20 characters.",
    )


@pytest.mark.parametrize(
    "lines",
    [
        None,
        [],
        {},
        "bell",
        [7],
        [{}],
        [{"sku": "bell"}],
        [{"sku": "", "quantity": 1}],
        [{"sku": "bell", "quantity": 0}],
        [{"sku": "bell", "quantity": 100}],
        [{"sku": "bell", "quantity": True}],
        [{"sku": "bell", "quantity": 1.0}],
        [{"sku": "bell", "quantity": "1"}],
        [{"sku": "bell\x00", "quantity": 1}],
    ],
)
def test_a_notice_without_proper_lines_is_refused(client: Client, lines: object) -> None:
    answer = post(client, NOTICE | {"lines": lines})

    assert (answer.status_code, said(answer)) == (
        400,
        "The notice needs 'lines', each with 'sku' and 'quantity'.",
    )
    assert not WarehouseNotice.objects.exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(min_size=1, max_size=200)
    | json_values
    | st.fixed_dictionaries({"order": json_values, "lines": json_values})
)
def test_whatever_is_sent_is_answered_in_json_and_never_a_500(
    client: Client, body: bytes | Mapping[str, object]
) -> None:
    answer = post(client, body)

    assert answer.status_code in {200, 201, 400, 413}
    json.loads(answer.content)
