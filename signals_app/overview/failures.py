"""Recent failures, grouped by what went wrong and where: one mistake is one line, however often it was made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from signals_app import ledger
from signals_app.masking import masked_text
from signals_app.models import Attempt, Delivery, Outcome, State

LOOKED_AT = 500  # of the newest failures
DAY = timedelta(days=1)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failed deliveries whose last attempt ended with the same error in the same line."""

    error_class: str
    place: str
    receiver: str
    message: str
    latest: datetime
    ids: Sequence[int]

    @property
    def count(self) -> int:
        """How many deliveries."""
        return len(self.ids)


def failure_groups() -> list[FailureGroup]:
    """Return the groups of the newest failures of the last day, the latest first; two queries."""
    alias = ledger.connection().alias
    failed = (
        Delivery.objects.using(alias)
        .filter(state=State.FAILED, finished_at__gt=timezone.now() - DAY)
        .order_by("-finished_at")
    )
    shown = list(failed.values_list("id", "receiver", "finished_at")[:LOOKED_AT])
    ends = (
        Attempt.objects.using(alias)
        .filter(delivery_id__in=[one for one, *_ in shown], number=F("delivery__attempts"))
        .exclude(outcome=Outcome.STALE)
        .values_list("delivery_id", "error_class", "message", "traceback")
    )
    last = {delivery: end for delivery, *end in ends}
    groups: dict[tuple[str, str, str], FailureGroup] = {}
    for one, receiver, finished_at in shown:
        error_class, message, traceback = last.get(one, ("", "", ""))
        key = (error_class, place_of(traceback), receiver)
        known = groups.get(key)
        groups[key] = FailureGroup(
            error_class=error_class,
            place=key[1],
            receiver=receiver,
            message=known.message if known else masked_text(message),
            latest=known.latest if known else finished_at or timezone.now(),
            ids=[*(known.ids if known else ()), one],
        )
    return list(groups.values())


def place_of(traceback: str) -> str:
    """Return the last place that a traceback names, as ``orders/receivers.py:12 in print_label``; "" for none."""
    frames = list(_FRAME.finditer(traceback))
    if not frames:
        return ""
    file, line, function = frames[-1].group("file", "line", "function")
    return f"{'/'.join(file.split('/')[-2:])}:{line}" + (f" in {function}" if function else "")
