"""The list and the page of attempts."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from signals_app.models import Outcome, State
from tests.signals_app.console.admin.rows import ATTEMPTS, attempt, delivery, page_of

pytestmark = pytest.mark.django_db


def test_an_outcome_is_a_word_and_an_icon(reader: Client) -> None:
    for outcome in Outcome:
        attempt(delivery(State.FAILED), outcome=outcome)
    page = reader.get(reverse(ATTEMPTS)).content.decode()
    for outcome in Outcome:
        icon = outcome.value.lower().replace("_", "-")
        assert f'<use href="/static/signals_app/icons.svg#{icon}"></use></svg>{outcome.label}</span>' in page


def test_a_row_says_what_went_wrong_in_which_delivery(reader: Client) -> None:
    one = delivery(State.FAILED)
    ended = attempt(one, 3, message="m" * 500)
    page = reader.get(reverse(ATTEMPTS)).content.decode()
    assert f'<a href="{page_of(ended)}">#{one.pk} · 3</a>' in page
    assert f'<a href="{page_of(one)}">' in page
    assert f"<b>ValueError</b> {'m' * 159}…</span>" in page
    assert "worker-3.example.org, pid 4711" in page
    assert "3.00\N{NO-BREAK SPACE}s" in page


def test_the_page_shows_the_whole_message_and_traceback(reader: Client) -> None:
    ended = attempt(delivery(State.FAILED), message="m" * 2000)
    page = reader.get(page_of(ended)).content.decode()
    assert "m" * 2000 in page
    assert "ValueError: the stock is negative</pre>" in page
    assert "<textarea" not in page


def test_no_secret_is_shown(reader: Client) -> None:
    ended = attempt(delivery(State.FAILED), message="password=hunter2", traceback="Error: token: 'hunter2'")
    for address in (page_of(ended), reverse(ATTEMPTS)):
        page = reader.get(address).content.decode()
        assert "hunter2" not in page
        assert "password=********" in page


def test_an_attempt_whose_start_is_not_known_has_no_duration(reader: Client) -> None:
    ended = attempt(delivery(State.FAILED), started_at=None, message="", traceback="")
    assert reader.get(page_of(ended)).content.decode().count("\N{EN DASH}") >= 4
