"""Finding deliveries and attempts by what is in them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signals_app.admin.search import find_attempts, find_deliveries, words
from signals_app.models import Attempt, Delivery
from tests.signals_app.admin.rows import ATTEMPTS, DELIVERIES, attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EMISSION = UUID("2f0c9a4e-5c0b-4f53-9d1c-9a4be2f7a001")


def found(text: str) -> list[Delivery]:
    return list(find_deliveries(Delivery.objects.order_by("pk"), text))


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


@pytest.mark.parametrize("text", ["#7", "send_mail printer", "temp%1", "x" * 300, str(uuid4()), "9" * 40, "#"])
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


def test_the_lists_search(boss: Client) -> None:
    one, _other = delivery(receiver="needle"), delivery()
    ended = attempt(one)
    assert list(boss.get(reverse(DELIVERIES), {"q": "needle"}).context["cl"].result_list) == [one]
    assert list(boss.get(reverse(ATTEMPTS), {"q": "needle"}).context["cl"].result_list) == [ended]
    assert list(boss.get(reverse(ATTEMPTS), {"q": "haystack"}).context["cl"].result_list) == []


def test_the_search_says_what_it_finds(boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "#42 finds delivery 42. Words are looked for in emission, receiver, sender, payload" in page


def test_a_null_character_is_refused(boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES), {"q": "a\0b"}).content.decode()
    assert "Null characters are not allowed." in page


def test_a_search_reads_the_table_once(mail: Delivery, boss: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        boss.get(reverse(DELIVERIES), {"q": "jürgen"})
    scans = [one["sql"] for one in queries if "rgen" in one["sql"]]
    assert len(scans) == 2
    assert str(mail.pk) in scans[1]  # the page: of the keys that were found, no others
