"""Finding deliveries and attempts by what names them, and by nothing that is masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import override_settings

from signals_app.console import queries
from signals_app.console.queries import find_attempts, find_deliveries, words
from signals_app.exceptions import OperationRefused
from signals_app.models import Attempt, Delivery, State
from signals_app.payloads import encode_arguments
from signals_app.redaction import MASKED, masked
from tests.payload_app.models import ByCode, ByUuid, Child, Plain
from tests.payload_app.values import Login
from tests.signals_app.console.admin.rows import NOON, attempt, delivery, plan_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EMISSION = UUID("2f0c9a4e-5c0b-4f53-9d1c-9a4be2f7a001")
NOT_THERE = "00000000-0000-7000-8000-000000000000"


def found(text: str) -> list[Delivery]:
    return list(find_deliveries(Delivery.objects.order_by("pk"), text))


def written(arguments: dict[str, Any], *snapshot: str, sender: object = None) -> str:
    """Return the payload of a send."""
    return encode_arguments(arguments, sender=sender, signal="s", receiver="r", snapshot=snapshot)


def saved(model: type[Any], **fields: Any) -> Any:
    """Return an instance that is taken for a saved one."""
    made = model(**fields)
    made._state.adding, made._state.db = False, "default"
    return made


class ReadsElsewhere:
    """Reads from a replica, which is behind."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "other"


@pytest.fixture
def mail() -> Delivery:
    """The delivery that each search below is to find, and no other."""
    other = {"order": saved(Plain, pk=620), "count": 120, "to": "Jürgen", "total": Decimal("12.5"), "paid": False}
    delivery(receiver="shop.receivers.print_label", signal="shop.paid", sender="shop.Printer", payload=written(other))
    arguments = {
        "order": saved(Plain, pk=62),
        "lines": [{"book": ({"deep": saved(ByUuid, id=EMISSION)}, saved(ByCode, code="a b"))}],
        "child": saved(Child, pk=63),
        "to": 'Jürgen "Jo" 100%',
        "path": "C:\\temp_1",
        "total": Decimal("12.50"),
        "count": 12,
        "share": 0.5,
        "big": 2**70,
        "day": date(2026, 11, 23),
        "at": datetime(2026, 11, 23, 12, tzinfo=UTC),
        "basket": EMISSION,
        "paid": True,
        "coupon": None,
    }
    return delivery(
        pk=4_200_000_000,
        emission=EMISSION,
        receiver="shop.receivers.Send_Mail",
        sender="shop.checkout.Checkout",
        sent_by="ada@example.org",
        sent_from="POST /checkout/",
        payload=written(arguments, "child", sender=saved(Plain, pk=65)),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("#4200000000", "4200000000", str(EMISSION), EMISSION.hex.upper()),
        *("send_mail", "SEND_MAIL", "order_placed", "ada", "example.org", "shop.checkout.Checkout"),
        *("'POST /checkout/'", "paperjam", "valueerror"),
        *("payload_app.Plain 62", "payload_app.plain 62", "payload_app.Plain:62", "payload_app.Plain(62)"),
        *(f"payload_app.ByUuid {EMISSION}", f"payload_app.ByUuid:{EMISSION}", "'payload_app.ByCode(a b)'"),
        *("payload_app.ByCode 'a b'", "payload_app.Child 63", "payload_app.Plain 65", "send_mail payload_app.Plain:62"),
        *("""'to=Jürgen "Jo" 100%'""", "path=C:\\temp_1", "total=12.50", "count=12", "share=0.5", f"big={2**70}"),
        *("day=2026-11-23", "at=2026-11-23T12:00:00+00:00", "'at=2026-11-23 12:00:00+00:00'", f"basket={EMISSION}"),
        *("paid=true", "coupon=null", "count=12 paid=true send_mail 4200000000"),
    ],
)
def test_a_delivery_is_found_by(mail: Delivery, text: str) -> None:
    attempt(mail, 1, error_class="shop.PaperJam", message="the printer is on fire")
    attempt(mail, 2)
    assert found(text) == [mail]


@pytest.mark.parametrize(
    "text",
    [
        *("send_mail printer", "x" * 255, NOT_THERE, "9" * 40, "#", "=", "send%mail", "Checkout", "/checkout/"),
        *("payload_app.Plain 6", "payload_app.Plain 63", "payload_app.Nobody:62", "payload_app.Plain", "a.B(", "a.B:"),
        *("to=jürgen", "to=Jo", "count=1", "count=012", "total=12.500", "deep=62", "order=62", "path=C:%", "sender=65"),
        *("negative", "#77777777"),
    ],
)
def test_nothing_is_found_by(mail: Delivery, text: str) -> None:
    attempt(mail, message="the stock is negative")
    assert found(text) == []


def test_an_object_of_a_model_that_is_gone_is_found() -> None:
    one = delivery(payload='{"sender":null,"arguments":{"order":{"$instance":["old_shop.Order",62,"default"]}}}')
    assert found("old_shop.Order:62") == found("old_shop.Order(62)") == [one]


def test_a_number_is_an_id() -> None:
    one = delivery(pk=12, sent_by="user 13")
    delivery(pk=13, payload=written({"order": 12}))
    assert found("12") == found("#12") == [one]


@pytest.mark.parametrize("text", ["#4200000000", str(EMISSION)])
def test_what_an_index_has_is_found_by_it(mail: Delivery, text: str) -> None:
    plan = plan_of(find_deliveries(Delivery.objects.order_by(), text))
    assert any(index in plan for index in ("signals_app_emission", "signals_app_delivery_pkey", "PRIMARY KEY"))


def test_words_in_quotes_are_one() -> None:
    assert words("""a "b c" 'd e' "f""") == ["a", "b c", "d e", '"f']
    assert words('  ""  ') == []


@pytest.mark.parametrize("text", ["a " * 9, "x" * 256, "'" + "x " * 200 + "'", "a" + " " * 10_000, "x" * 10**6])
def test_a_search_that_would_take_long_is_refused(text: str) -> None:
    with pytest.raises(OperationRefused, match=r"^A search takes up to 8 words of up to 255 characters\."):
        found(text)
    with pytest.raises(OperationRefused):
        find_attempts(Attempt.objects.all(), text)
    assert found("a " * 8) == []


def test_of_what_holds_a_value_the_newest_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [delivery(payload=written({"order": 1})) for _ in range(4)]
    monkeypatch.setattr(queries, "_BATCH", 1)
    assert found("order=1") == rows
    monkeypatch.setattr(queries, "FOUND", 2)
    assert found("order=1") == rows[2:]
    monkeypatch.setattr(queries, "READ", 10)
    assert found("order=1") == rows[3:]


@pytest.mark.parametrize(
    "text", ["valueerror", "worker-3.example.org", "send_mail", "#900", "900", "order_placed", "ada", "count=12"]
)
def test_an_attempt_is_found_by(text: str) -> None:
    one = attempt(delivery(pk=900, sent_by="ada", payload=written({"count": 12})))
    other = delivery(pk=901, receiver="other", signal="other")
    attempt(other, owner="elsewhere", error_class="builtins.KeyError", message="900")
    assert list(find_attempts(Attempt.objects.all(), text)) == [one]
    assert list(find_attempts(Attempt.objects.all(), "negative")) == []


@pytest.mark.parametrize("text", ["worker-3.example.org", "/4711/"])
def test_a_delivery_is_found_by_the_host_and_process_that_had_it(text: str) -> None:
    last, before = delivery(State.SUCCESSFUL), delivery(owner="elsewhere/b00t/4712/1")
    attempt(before)
    delivery(owner="elsewhere/b00t/4712/1")
    assert found(text) == [last, before]


@pytest.mark.parametrize("sender", ["ada password=hunter2", "ada password=********", "https://ada:hunter2@example.org"])
def test_a_sender_is_not_found_by_what_is_masked_in_it(sender: str) -> None:
    delivery(sender=sender, sent_from=sender)
    for text in ("hunter2", "hunt", f"'{sender}'", f'"{sender}"', MASKED):
        assert found(text) == []


# places where a secret is masked, or may be
HIDING = (
    lambda secret: {"password": secret},
    lambda secret: {"p_i_n": secret, "c.v.v": secret},
    lambda secret: {b"api_token": secret, "x": 1},
    lambda secret: {1: 2, "pin": secret},
    lambda secret: [("X-Api-Key", secret), ["card", secret]],
    lambda secret: {"name": "password", "value": secret},
    lambda secret: ["mysql", "--password", secret],
    lambda secret: {"credentials": {"deep": [secret]}},
    lambda secret: Login(user="ada", password=secret),
    lambda secret: [{"x": Login(user="ada", password=secret)}],
    lambda secret: saved(Session, session_key=str(secret)),
    lambda secret: saved(User, pk=7, date_joined=NOON, password=str(secret)),
    lambda secret: f"amqp://ada:{secret}@queue",
    lambda secret: f"Authorization: {secret}",
    lambda secret: {"note": f"password={secret!r}"},
    lambda secret: {f"amqp://ada:{secret}@queue": 1},
    lambda secret: f"password={secret!r}".encode(),
)


def _searches(value: Any, name: str = "") -> Iterator[str]:
    """Yield searches for each part of a payload, wherever it stands."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _searches(item, str(key))
    text = value if isinstance(value, str) else json.dumps(value)
    for part in (text, text[:3]):
        yield from (part, f"{name}={part}", f"held={part}", f"sessions.Session:{part}", f"auth.User({part})")


@pytest.mark.parametrize("snapshot", [(), ("held",)], ids=["reference", "snapshot"])
@pytest.mark.parametrize("place", HIDING)
def test_no_search_tells_apart_what_is_masked_to_the_same(place: Any, snapshot: tuple[str, ...]) -> None:
    payloads = [written({"held": place(secret)}, *snapshot) for secret in ("hunter2", "xx-4711")]
    one, other = map(json.loads, payloads)
    assert masked(one) == masked(other)
    for number, text in enumerate(payloads):
        delivery(pk=2**62 + number, payload=text)
    guesses = [f"{name}={secret}" for name in ("password", "pin", "value", "x") for secret in ("hunter2", "xx-4711")]
    for text in {*_searches(one), *_searches(other), *guesses}:
        with suppress(OperationRefused):  # of a word that is too long
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            assert len(found(f'"{quoted}"')) in (0, 2), text


def test_what_is_masked_is_not_found_by_its_mask() -> None:
    for secret in (MASKED, "hunter2"):
        delivery(payload=written({"password": secret, "session": saved(Session, session_key=secret)}))
    for text in (f"password={MASKED}", 'password="\\\\u002a*******"', f"sessions.Session:{MASKED}", MASKED):
        assert found(text) == [], text


@override_settings(SIGNALS_APP={"MASK": ()})
def test_where_nothing_is_masked_everything_is_found() -> None:
    one = delivery(payload=written({"api_key": "hunter2", "session": saved(Session, session_key="hunter3")}))
    assert found("api_key=hunter2") == found("sessions.Session:hunter3") == [one]


@pytest.mark.parametrize(
    "payload", ['{"count":12', '["count":12,', '{"arguments":["count",{"count":12}]}', "[" * 9_999]
)
def test_a_forged_payload_is_passed_over(mail: Delivery, payload: str) -> None:
    delivery(payload=f'{payload}"count":12,')
    delivery(payload=f'{{"arguments":{{"count":12}},"x":{payload}')
    delivery(payload=payload)
    assert found("count=12") == [mail]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_search_looks_nowhere_but_in_the_database_of_its_rows(mail: Delivery) -> None:
    ended = attempt(mail)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
        for text in (str(EMISSION), "valueerror", "count=12", "payload_app.Plain:62"):
            assert list(find_deliveries(Delivery.objects.using("default"), text)) == [mail], text
        for text in ("valueerror", "send_mail", "count=12"):
            assert list(find_attempts(Attempt.objects.using("default"), text)) == [ended], text
