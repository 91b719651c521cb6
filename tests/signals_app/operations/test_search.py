"""Finding deliveries and attempts by what is in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import override_settings

from signals_app.models import Attempt, Delivery, State
from signals_app.operations import unmasked
from signals_app.operations.search import find_attempts, find_deliveries, words
from tests.signals_app.admin.rows import attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EMISSION = UUID("2f0c9a4e-5c0b-4f53-9d1c-9a4be2f7a001")


def found(text: str) -> list[Delivery]:
    return list(find_deliveries(Delivery.objects.order_by("pk"), text))


class ReadsElsewhere:
    """Reads from a replica, which is behind."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "other"


@pytest.fixture
def mail() -> Delivery:
    """The delivery that each search below is to find, and no other."""
    delivery(receiver="shop.receivers.print_label", sender="shop.Printer", payload='{"arguments":{"order":7}}')
    return delivery(
        pk=4_200_000_000,
        emission=EMISSION,
        receiver="shop.receivers.Send_Mail",
        sender="shop.checkout.Checkout",
        payload='{"arguments":{"to":"Jürgen \\"Jo\\" 100%","path":"C:\\\\temp_1"}}',
    )


@pytest.mark.parametrize(
    "text",
    [
        "#4200000000",
        "4200000000",
        str(EMISSION),
        EMISSION.hex.upper(),
        "send_mail",
        "SEND_MAIL",
        "checkout",
        "Jürgen",
        "jo",
        "100%",
        "'\"Jo\"'",
        "C:\\temp_1",
        "'to\":\"Jürgen'",
        "send_mail Jürgen",
    ],
)
def test_a_delivery_is_found_by(mail: Delivery, text: str) -> None:
    assert found(text) == [mail]


NOT_THERE = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("text", ["#7", "send_mail printer", "temp%1", "x" * 300, NOT_THERE, "9" * 40, "#"])
def test_nothing_is_found_by(mail: Delivery, text: str) -> None:
    assert found(text) == []


def test_a_delivery_is_found_by_what_went_wrong_in_it(mail: Delivery) -> None:
    attempt(mail, 1, message="the printer is on fire", error_class="shop.PaperJam")
    attempt(mail, 2, message="the printer is on fire again")
    assert found("FIRE") == found("paperjam") == [mail]


def test_a_number_is_looked_for_as_an_id_and_in_texts() -> None:
    one = delivery(pk=12, payload='{"order":1}')
    other = delivery(pk=13, payload='{"order":12}')
    assert found("12") == [one, other]
    assert found("#12") == [one]


def test_a_uuid_that_is_no_emission_is_looked_for_in_texts() -> None:
    order = uuid4()
    one = delivery(payload=f'{{"order":"{order}"}}')
    delivery(payload=f'{{"order":"{uuid4()}"}}')
    assert found(str(order)) == [one]


def test_an_emission_is_found_by_its_index(mail: Delivery) -> None:
    plan = find_deliveries(Delivery.objects.order_by(), str(EMISSION)).explain()
    if connection.vendor == "postgresql":  # which reads the whole of so small a table
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = find_deliveries(Delivery.objects.order_by(), str(EMISSION)).explain()
    assert "signals_app_emission" in plan


def test_words_in_quotes_are_one() -> None:
    assert words("""a "b c" 'd e' "f""") == ["a", "b c", "d e", '"f']
    assert words('  ""  ') == []


@pytest.mark.parametrize("text", ["valueerror", "negative", "worker-3.example.org", "send_mail", "#900"])
def test_an_attempt_is_found_by(text: str) -> None:
    one = attempt(delivery(pk=900))
    attempt(
        delivery(pk=901, receiver="other"), owner="elsewhere", error_class="builtins.KeyError", message="no such key"
    )
    assert list(find_attempts(Attempt.objects.all(), text)) == [one]


@pytest.mark.parametrize("text", ["worker-3.example.org", "/4711/"])
def test_a_delivery_is_found_by_the_host_and_process_that_had_it(text: str) -> None:
    last, before = delivery(State.SUCCESSFUL), delivery(owner="elsewhere/b00t/4712/1")
    attempt(before)
    delivery(owner="elsewhere/b00t/4712/1")
    assert found(text) == [last, before]


@pytest.mark.parametrize("text", ["hunter2", "hunt", "HUNTER", "'hunter2\"'"])
def test_a_secret_is_not_found_by_what_it_is(text: str) -> None:
    delivery(payload='{"arguments":{"user":"ada","api_key":"hunter2"}}')
    attempt(delivery(State.FAILED), message="refused: password=hunter2 of ada")
    assert found(text) == []
    assert list(find_attempts(Attempt.objects.all(), text)) == []


@pytest.mark.parametrize(
    "secret",
    ["amqp://shop:hunter2@queue", "HTTPS://hunter2@git", "Bearer hunter2hunter2", "eyJhunter2hunter2.eyJ9.x"],
)
def test_a_secret_without_a_name_is_not_found_either(secret: str) -> None:
    delivery(payload=f'{{"arguments":{{"line":"{secret}"}}}}')
    attempt(delivery(State.FAILED), message=f"refused: {secret}")
    assert found("hunter2") == []
    assert list(find_attempts(Attempt.objects.all(), "hunter2")) == []


def test_what_stands_beside_a_secret_is_found() -> None:
    one = delivery(payload='{"arguments":{"user":"Jürgen \\"Jo\\"","api_key":"hunter2"}}')
    two = delivery(State.FAILED)
    ended = attempt(two, message="refused: password=hunter2 of Ada")
    for text in ('"Jo"', "api_key", '"user":"Jürgen'):
        assert found(f"'{text}'") == [one], text
    assert found("refused") == [two]
    assert list(find_attempts(Attempt.objects.all(), "'of Ada'")) == [ended]
    assert found("Jürgen hunter2") == []


def test_of_texts_that_name_secrets_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmasked, "CHECKED", 2)
    rows = [delivery(payload='{"arguments":{"user":"ada","token":"x"}}') for _ in range(3)]
    plain = delivery(payload='{"arguments":{"user":"ada"}}')
    assert found("ada") == [*rows[1:], plain]


@override_settings(SIGNALS_APP={"MASK": ()})
def test_where_nothing_is_masked_everything_is_found() -> None:
    one = delivery(payload='{"arguments":{"api_key":"hunter2"}}')
    assert found("hunter2") == [one]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_search_looks_nowhere_but_in_the_database_of_its_rows(mail: Delivery) -> None:
    attempt(mail, message="The token was refused.")
    rows = Delivery.objects.using("default")
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
        for text in (str(EMISSION), "refused"):
            assert list(find_deliveries(rows, text)) == [mail], text
