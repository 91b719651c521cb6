"""What an operator may do to deliveries, with an entry in the admin's history for each that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.conf import conf
from signals_app.models import Delivery, State

AT_ONCE = 5_000  # deliveries that one request changes, so that it ends
_BATCH = 500  # deliveries of one transaction, so that workers are not kept waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change of state by hand. ``name`` is that of its permission, as in ``retry_delivery``."""

    name: str
    label: Callable[[], str]
    applies_to: tuple[State, ...]
    change: Callable[[Iterable[int]], list[int]]  # ids -> those that changed
    history: Callable[[], str]
    done: Callable[[int], str]
    refused: Callable[[int], str]

    @property
    def permission(self) -> str:
        """The permission it takes, as ``has_perm`` wants it."""
        return f"signals_app.{self.name}_delivery"

    def is_allowed(self, request: HttpRequest) -> bool:
        """Tell whether the user may do it."""
        return request.user.has_perm(self.permission)

    def perform(self, request: HttpRequest, ids: Sequence[int]) -> list[int]:
        """Change the deliveries that can be changed, enter each in the history, tell the user; return their ids."""
        changed: list[int] = []
        ids = sorted(ids)
        for start in range(0, len(ids), _BATCH):
            with transaction.atomic(using=ledger.connection().alias):
                batch = self.change(ids[start : start + _BATCH])
                self._remember(request, batch)
            changed += batch
        self._tell(request, len(changed), len(ids) - len(changed))
        return changed

    def _remember(self, request: HttpRequest, ids: list[int]) -> None:
        deliveries = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids)
        LogEntry.objects.log_actions(cast("int", request.user.pk), deliveries.only("receiver"), CHANGE, self.history())

    def _tell(self, request: HttpRequest, changed: int, refused: int) -> None:
        sentences = []
        if changed:
            sentences.append(self.done(changed))
        if refused:
            sentences.append(self.refused(refused))
        level = messages.WARNING if refused else messages.SUCCESS
        if sentences:
            messages.add_message(request, level, " ".join(sentences))


def _grant(grant: int) -> str:
    return ngettext("%(count)d more attempt", "%(count)d more attempts", grant) % {"count": grant}


RETRY = Operation(
    name="retry",
    label=lambda: _("Retry"),
    applies_to=(State.FAILED, State.CANCELLED),
    change=lambda ids: ledger.retry(ids, attempts=conf.max_attempts),
    history=lambda: _("Retried, with up to %(grant)s.") % {"grant": _grant(conf.max_attempts)},
    done=lambda count: (
        ngettext(
            "%(count)d delivery is ready again, with up to %(grant)s.",
            "%(count)d deliveries are ready again, each with up to %(grant)s.",
            count,
        )
        % {"count": count, "grant": _grant(conf.max_attempts)}
    ),
    refused=lambda count: (
        ngettext(
            "%(count)d delivery was neither failed nor cancelled and was left as it is.",
            "%(count)d deliveries were neither failed nor cancelled and were left as they are.",
            count,
        )
        % {"count": count}
    ),
)

CANCEL = Operation(
    name="cancel",
    label=lambda: _("Cancel"),
    applies_to=(State.READY,),
    change=ledger.cancel,
    history=lambda: _("Cancelled."),
    done=lambda count: (
        ngettext("%(count)d delivery was cancelled.", "%(count)d deliveries were cancelled.", count) % {"count": count}
    ),
    refused=lambda count: (
        ngettext(
            "%(count)d delivery was not ready and was left as it is.",
            "%(count)d deliveries were not ready and were left as they are.",
            count,
        )
        % {"count": count}
    ),
)

OPERATIONS = {operation.name: operation for operation in (RETRY, CANCEL)}
