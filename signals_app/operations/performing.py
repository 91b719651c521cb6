"""Doing an operation: in batches, each with its history in one transaction, so that workers are not kept waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, QuerySet

from signals_app import ledger, transitions
from signals_app.models import Delivery
from signals_app.operations.history import Operator, remember
from signals_app.operations.operation import Operation
from signals_app.operations.selection import Selection, possible

AT_ONCE = 5_000  # deliveries that one request changes, so that it ends
_BATCH = 500  # deliveries of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of it: the ids that changed, in order, and how many were left as they were."""

    operation: Operation
    changed: tuple[int, ...]
    refused: int = 0

    def sentences(self) -> list[str]:
        """Return what to tell the operator."""
        told = [self.operation.done(len(self.changed))] if self.changed or not self.refused else []
        return told + ([self.operation.refused(self.refused)] if self.refused else [])


def perform(operation: Operation, ids: Iterable[int], *, by: Operator) -> Result:
    """Change those of the named deliveries that can be changed; the others are left as they are and counted."""
    named = sorted(set(ids))
    changed = [one for batch in _batches(possible(named)) for one in _perform_batch(operation, batch, by)]
    return Result(operation=operation, changed=tuple(changed), refused=len(named) - len(changed))


def perform_on(operation: Operation, selection: Selection, *, by: Operator, limit: int | None = None) -> Result:
    """Change the selected deliveries that can be changed, oldest first, and at most ``limit`` of them.

    What is handed off meanwhile is left; what changed its state meanwhile is counted as refused.
    """
    changed: list[int] = []
    tried = 0
    rows = matching(operation, selection).order_by("pk")
    last, end = 0, rows.aggregate(end=Max("pk"))["end"] or 0
    while last < end and (limit is None or tried < limit):
        size = _BATCH if limit is None else min(_BATCH, limit - tried)
        batch = list(rows.filter(pk__gt=last, pk__lte=end).values_list("pk", flat=True)[:size])
        if not batch:
            break
        changed += _perform_batch(operation, batch, by)
        last, tried = batch[-1], tried + len(batch)
    return Result(operation=operation, changed=tuple(changed), refused=tried - len(changed))


def matching(operation: Operation, selection: Selection) -> QuerySet[Delivery]:
    """Return the selected deliveries that an operation can change; to be counted before it is done."""
    return selection.rows().filter(operation.scope.condition())


def _perform_batch(operation: Operation, ids: list[int], by: Operator) -> list[int]:
    alias = ledger.connection().alias
    with transaction.atomic(using=alias):
        groups = {said: _rows(changed) for said, changed in operation.change(ids).items() if changed}
        for said, rows in groups.items():
            remember(rows, said, by)
    for said, rows in groups.items():
        for row in rows:
            transitions.operated(row, operation=operation.name, said=said, by=by.name)
    return sorted(row.pk for rows in groups.values() for row in rows)


def _rows(ids: Iterable[int]) -> list[Delivery]:
    rows = Delivery.objects.using(ledger.connection().alias).filter(pk__in=ids).order_by("pk")
    return list(rows.only("emission", "signal", "receiver", "queue"))


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]
