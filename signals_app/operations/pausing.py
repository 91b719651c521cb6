"""Pausing and resuming a queue or a receiver, with who did it in the history."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.logs import get_logger
from signals_app.models import Pause, PauseKind
from signals_app.operations.history import Operator, remember
from signals_app.operations.names import require_pausable

logger = get_logger("signals_app.operations")

PAUSE_PERMISSION = "signals_app.pause_delivery"  # to pause, and to resume


def pause(kind: PauseKind, name: str, *, by: Operator) -> bool:
    """Pause a queue or a receiver. False when it is paused already.

    Raises OperationRefused where there is no such queue or receiver.
    """
    require_pausable(kind, name)
    with transaction.atomic(using=ledger.connection().alias):
        if not ledger.pause(kind, name, by=by.name):
            return False
        remember(_rows(kind, name), _("Paused."), by)
    logger.warning("The %s %s is paused by %s.", kind.label, name, by.name)
    return True


def resume(kind: PauseKind, name: str, *, by: Operator) -> bool:
    """Resume a queue or a receiver. False when it was not paused."""
    with transaction.atomic(using=ledger.connection().alias):
        rows = _rows(kind, name)
        if not ledger.resume(kind, name):
            return False
        remember(rows, _("Resumed."), by)
    logger.warning("The %s %s is resumed by %s.", kind.label, name, by.name)
    return True


def _rows(kind: PauseKind, name: str) -> list[Pause]:
    return list(Pause.objects.using(ledger.connection().alias).filter(kind=kind, name=name))
