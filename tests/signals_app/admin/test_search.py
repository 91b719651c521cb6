"""The search of the lists."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client, modify_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.signals_app.admin.rows import ATTEMPTS, DELIVERIES, attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_the_lists_search(boss: Client) -> None:
    one, _other = delivery(receiver="needle"), delivery()
    ended = attempt(one)
    assert list(boss.get(reverse(DELIVERIES), {"q": "needle"}).context["cl"].result_list) == [one]
    assert list(boss.get(reverse(ATTEMPTS), {"q": "needle"}).context["cl"].result_list) == [ended]
    assert list(boss.get(reverse(ATTEMPTS), {"q": "haystack"}).context["cl"].result_list) == []


def test_the_search_says_what_it_finds(boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "#42 finds delivery 42. Words are looked for in emission, receiver, sender, payload" in page


@modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]})  # which another project does not have
def test_a_null_character_is_refused(boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES), {"q": "a\0b"}).content.decode()
    assert "Null characters are not allowed." in page


def test_a_search_reads_the_table_twice_whatever_the_page(boss: Client) -> None:
    mail = delivery(pk=4_200_000_000, payload='{"to":"Jürgen"}')
    with CaptureQueriesContext(connection) as queries:
        boss.get(reverse(DELIVERIES), {"q": "jürgen"})
    scans = [one["sql"] for one in queries if "rgen" in one["sql"]]
    looked_at, keys, page = (sql for sql in scans if "signals_app_delivery" in sql.partition("WHERE")[0])
    assert "LIMIT 500" in looked_at  # for secrets
    assert str(mail.pk) not in keys
    assert str(mail.pk) in page  # of the keys that were found, no others
