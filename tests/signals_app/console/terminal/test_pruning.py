"""``deliveries prune``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.utils import timezone

from signals_app import ledger
from signals_app.models import Delivery, State
from signals_app.worker import pruning
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.terminal.commands import read, told

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def old(*states: State) -> None:
    for state in states:
        delivery(state, finished_at=timezone.now() - timedelta(days=400))


def test_a_dry_run_says_what_would_go() -> None:
    old(State.SUCCESSFUL, State.SUCCESSFUL, State.FAILED, State.CANCELLED)
    delivery()
    assert told("prune", "--dry-run") == "2 successful, 1 failed and 1 cancelled deliveries would go.\n"
    assert read("prune", "--dry-run") == {
        "dry_run": True,
        "total": 4,
        "states": {"SUCCESSFUL": 2, "FAILED": 1, "CANCELLED": 1},
    }
    assert Delivery.objects.count() == 5


def test_it_deletes_when_yes_is_said() -> None:
    old(State.FAILED)
    kept = delivery(State.FAILED, finished_at=timezone.now())
    with pytest.raises(CommandError, match=r"^Nobody can be asked here"):
        told("prune")
    assert told("prune", "--yes") == "1 failed delivery went.\n"
    assert list(Delivery.objects.all()) == [kept]
    assert told("prune", "--yes") == "Nothing is to be pruned.\n"


def test_one_pruner_at_a_time() -> None:
    old(State.FAILED)
    ledger.begin_chore(pruning.CHORE, owner="elsewhere", lease=60)
    with pytest.raises(CommandError, match=r"^Another process is pruning right now; look again in a moment"):
        told("prune", "--yes")
    assert Delivery.objects.exists()
