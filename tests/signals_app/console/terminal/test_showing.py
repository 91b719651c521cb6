"""``deliveries show``."""

from __future__ import annotations

import pytest
from django.core.management import CommandError

from signals_app.models import State
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.signals_app.console.terminal.commands import read, told

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_all_there_is_to_know_of_a_delivery() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"order":7}}')
    attempt(one)
    other = delivery(emission=one.emission, receiver="shop.print")
    text = told("show", one.pk)
    lines = text.splitlines()
    assert f"id            {one.pk}" in lines
    assert "unroutable    no" in lines
    assert "process       worker-3.example.org, pid 4711" in lines
    assert '    "order": 7' in lines
    assert "Attempt 1: ERROR builtins.ValueError (worker-3.example.org, pid 4711)" in lines
    assert "  | ValueError: the stock is negative" in lines
    assert f"Of the same emission: #{other.pk} shop.print READY" in lines


def test_who_sent_it_and_from_where() -> None:
    one = delivery(sent_by="ada", sent_from="POST /reset/token=abc123def/")
    assert "sent by       ada" in told("show", one.pk).splitlines()
    found = read("show", one.pk)
    assert (found["sent_by"], found["sent_from"]) == ("ada", "POST /reset/token=********")


def test_json_has_payload_attempts_and_the_rest_of_the_emission() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"order":7}}')
    attempt(one)
    other = delivery(emission=one.emission)
    found = read("show", f"#{one.pk}")
    assert found["payload"] == {"arguments": {"order": 7}}
    assert [(end["number"], end["outcome"], end["message"]) for end in found["failed_attempts"]] == [
        (1, "ERROR", "the stock is negative")
    ]
    assert found["same_emission"] == [{"id": other.pk, "receiver": other.receiver, "state": "READY"}]


def test_the_trace_is_told_by_its_id() -> None:
    one = delivery(trace=f"00-{'4b' * 16}-{'a' * 16}-01")
    assert f"trace id      {'4b' * 16}" in told("show", one.pk).splitlines()
    assert read("show", one.pk)["trace_id"] == "4b" * 16
    assert "trace id      -" in told("show", delivery().pk).splitlines()


def test_secrets_are_masked() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"password":"hunter2"}}')
    attempt(one, message="refused: password=hunter2", traceback="    login(password='hunter2')")
    for text in (told("show", one.pk), told("show", one.pk, "--json")):
        assert "********" in text
        assert "hunter2" not in text


def test_what_others_wrote_cannot_control_the_terminal() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"name":"\x1b[2J\\u009b31m"}}', sender="\x1b]0;gone\x07")
    attempt(one, message="\x1b[31mred\rforged", traceback="")
    text = told("show", one.pk)
    assert "\\x1b]0;gone\\x07" in text
    assert "\\x1b[31mred" in text
    assert not set(text) & {"\x1b", "\x9b", "\x07", "\r"}


def test_a_payload_that_is_no_json_is_shown_as_it_is() -> None:
    one = delivery(payload="{broken")
    assert "{broken" in told("show", one.pk)
    assert read("show", one.pk)["payload"] == "{broken"


def test_a_delivery_that_does_not_exist_is_said() -> None:
    with pytest.raises(CommandError, match=r"^There is no delivery #999\.$"):
        told("show", 999)
