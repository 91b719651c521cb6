"""The operations there are. Two of them are made for a target: ``move_to(queue)`` and ``reassign_to(receiver)``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.models import Delivery, State
from signals_app.operations.names import require_queue, require_receiver
from signals_app.operations.operation import Changed, Operation, Scope

_RETRIED = (State.FAILED, State.CANCELLED)


def _retry(ids: Sequence[int]) -> Changed:
    """Grant each delivery as many attempts as its receiver is given where this process knows it, else the default."""
    rows = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids, state__in=_RETRIED).order_by("pk")
    granted = defaultdict(list)
    # locked in one order: group by group, two operators who retry the same deliveries could wait for each other
    for key, pk in rows.select_for_update().values_list("receiver", "pk"):
        receiver = registry.get(key)
        granted[receiver.options.max_attempts if receiver else conf.max_attempts].append(pk)
    changed = {}
    for attempts, group in granted.items():
        said = ngettext(
            "Retried, with up to %(count)d more attempt.", "Retried, with up to %(count)d more attempts.", attempts
        )
        changed[said % {"count": attempts}] = ledger.retry(group, attempts=attempts)
    return changed


def _ready_again(count: int) -> str:
    said = ngettext("%(count)d delivery is ready again.", "%(count)d deliveries are ready again.", count)
    return said % {"count": count}


def _neither_failed_nor_cancelled(count: int) -> str:
    said = ngettext(
        "%(count)d delivery was neither failed nor cancelled and was left as it is.",
        "%(count)d deliveries were neither failed nor cancelled and were left as they are.",
        count,
    )
    return said % {"count": count}


def _cancelled(count: int) -> str:
    return ngettext("%(count)d delivery was cancelled.", "%(count)d deliveries were cancelled.", count) % {
        "count": count
    }


def _not_ready(count: int) -> str:
    said = ngettext(
        "%(count)d delivery was not ready and was left as it is.",
        "%(count)d deliveries were not ready and were left as they are.",
        count,
    )
    return said % {"count": count}


def _due_now(count: int) -> str:
    return ngettext("%(count)d delivery is due now.", "%(count)d deliveries are due now.", count) % {"count": count}


def _not_later(count: int) -> str:
    said = ngettext(
        "%(count)d delivery did not wait for later and was left as it is.",
        "%(count)d deliveries did not wait for later and were left as they are.",
        count,
    )
    return said % {"count": count}


RETRY = Operation(
    name="retry",
    label=lambda: _("Retry"),
    scope=Scope(states=_RETRIED),
    change=_retry,
    done=_ready_again,
    refused=_neither_failed_nor_cancelled,
)

CANCEL = Operation(
    name="cancel",
    label=lambda: _("Cancel"),
    scope=Scope(states=(State.READY,)),
    change=lambda ids: {_("Cancelled."): ledger.cancel(ids)},
    done=_cancelled,
    refused=_not_ready,
)

RUN_NOW = Operation(
    name="run_now",
    label=lambda: _("Run now"),
    scope=Scope(states=(State.READY,), later=True),
    change=lambda ids: {_("Made due now."): ledger.run_now(ids)},
    done=_due_now,
    refused=_not_later,
)


def move_to(queue: str) -> Operation:
    """Return the operation that puts waiting deliveries into a queue. Raises OperationRefused where there is none."""
    require_queue(queue)

    def done(count: int) -> str:
        said = ngettext(
            "%(count)d delivery is in the queue %(queue)s now.",
            "%(count)d deliveries are in the queue %(queue)s now.",
            count,
        )
        return said % {"count": count, "queue": queue}

    def refused(count: int) -> str:
        said = ngettext(
            "%(count)d delivery was not ready, or in that queue already, and was left as it is.",
            "%(count)d deliveries were not ready, or in that queue already, and were left as they are.",
            count,
        )
        return said % {"count": count}

    return Operation(
        name="move",
        label=lambda: _("Move to the queue %(queue)s") % {"queue": queue},
        scope=Scope(states=(State.READY,), not_in=queue),
        change=lambda ids: {_("Moved to the queue %(queue)s.") % {"queue": queue}: ledger.move(ids, queue=queue)},
        done=done,
        refused=refused,
    )


def reassign_to(receiver: str) -> Operation:
    """Return the operation that gives unroutable deliveries a receiver, by its key.

    Raises OperationRefused where this process does not know the receiver.
    """
    require_receiver(receiver)

    def done(count: int) -> str:
        said = ngettext(
            "%(count)d delivery waits for %(receiver)s now.", "%(count)d deliveries wait for %(receiver)s now.", count
        )
        return said % {"count": count, "receiver": receiver}

    def refused(count: int) -> str:
        said = ngettext(
            "%(count)d delivery was not ready and unroutable and was left as it is.",
            "%(count)d deliveries were not ready and unroutable and were left as they are.",
            count,
        )
        return said % {"count": count}

    def change(ids: Sequence[int]) -> Changed:
        said = _("Given to the receiver %(receiver)s.") % {"receiver": receiver}
        return {said: ledger.reassign(ids, receiver=receiver)}

    return Operation(
        name="reassign",
        label=lambda: _("Give to the receiver %(receiver)s") % {"receiver": receiver},
        scope=Scope(states=(State.READY,), unroutable=True),
        change=change,
        done=done,
        refused=refused,
    )
