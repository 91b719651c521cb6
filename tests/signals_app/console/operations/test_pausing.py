"""Pausing and resuming by hand."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from signals_app import ledger
from signals_app.console.operations import Operator, pause, resume
from signals_app.exceptions import OperationRefused
from signals_app.models import PauseKind
from tests.signals_app.console.admin.rows import delivery
from tests.testapp.receivers import nothing

pytestmark = pytest.mark.django_db


def test_a_pause_and_its_end_are_remembered_with_who_did_it() -> None:
    ada = Operator.of(User.objects.create_user("ada"))
    for kind, name in ((PauseKind.QUEUE, "elsewhere"), (PauseKind.RECEIVER, nothing.key)):
        assert pause(kind, name, by=ada)
        assert not pause(kind, name, by=ada)
        assert ledger.is_paused(kind, name)
        assert resume(kind, name, by=ada)
        assert not resume(kind, name, by=ada)
    entries = LogEntry.objects.order_by("pk")
    assert [(entry.user.get_username(), entry.object_repr, entry.get_change_message()) for entry in entries] == [
        ("ada", "queue elsewhere", "Paused."),
        ("ada", "queue elsewhere", "Resumed."),
        ("ada", "receiver tests.testapp.receivers.nothing", "Paused."),
        ("ada", "receiver tests.testapp.receivers.nothing", "Resumed."),
    ]


def test_a_slip_of_the_pen_pauses_nothing() -> None:
    by = Operator(name="a terminal")
    with pytest.raises(OperationRefused, match="There is no queue 'elsewere'"):
        pause(PauseKind.QUEUE, "elsewere", by=by)
    with pytest.raises(OperationRefused, match="This process knows no receiver 'nothin'"):
        pause(PauseKind.RECEIVER, "nothin", by=by)
    assert ledger.pauses() == []


def test_a_receiver_that_this_process_does_not_know_can_be_paused_while_work_waits_for_it() -> None:
    delivery(receiver="gone")
    assert pause(PauseKind.RECEIVER, "gone", by=Operator(name="a terminal"))
