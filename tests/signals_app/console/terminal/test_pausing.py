"""``deliveries pause`` and ``resume``."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError

from signals_app import ledger
from signals_app.models import PauseKind
from tests.signals_app.console.terminal.commands import read, told, user
from tests.testapp.receivers import nothing

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_queue_is_paused_and_resumed() -> None:
    by = ("--yes", "--as", user("ada", "pause_delivery"))
    assert told("pause", "queue", "elsewhere", *by) == "The queue elsewhere is paused.\n"
    assert ledger.is_paused(PauseKind.QUEUE, "elsewhere")
    assert told("pause", "queue", "elsewhere", *by) == "The queue elsewhere was paused already.\n"
    assert told("resume", "queue", "elsewhere", *by) == "The queue elsewhere is resumed.\n"
    assert told("resume", "queue", "elsewhere", *by) == "The queue elsewhere was not paused.\n"
    assert ledger.pauses() == []
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["Paused.", "Resumed."]


def test_a_receiver_is_paused_by_its_key() -> None:
    by = ("--yes", "--as", user("ada", "pause_delivery"))
    assert read("pause", "receiver", nothing.key, *by) == {
        "kind": "RECEIVER",
        "name": nothing.key,
        "paused": True,
        "dry_run": False,
    }
    assert [(pause.kind, pause.by) for pause in ledger.pauses()] == [("RECEIVER", "ada")]


def test_a_dry_run_pauses_nothing() -> None:
    assert told("pause", "queue", "elsewhere", "--dry-run") == (
        "The queue elsewhere would be paused. Nothing was changed.\n"
    )
    assert ledger.pauses() == []


def test_it_is_asked_for_a_name_a_permission_and_a_yes() -> None:
    with pytest.raises(CommandError, match=r"^There is no queue 'elsewere'"):
        told("pause", "queue", "elsewere", "--yes", "--as", user("bob"))
    with pytest.raises(CommandError, match=r"^bob may not do that: it takes the permission signals_app.pause_delivery"):
        told("pause", "queue", "elsewhere", "--yes", "--as", "bob")
    with pytest.raises(CommandError, match=r"^Nobody can be asked here"):
        told("pause", "queue", "elsewhere", "--as", user("ada", "pause_delivery"))
    assert ledger.pauses() == []
