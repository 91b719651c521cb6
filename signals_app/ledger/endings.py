"""What follows when deliveries end, in the transaction in which they do: the next of their lane, the end of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from signals_app.ledger.batches import advance
from signals_app.ledger.sql import rows

# a lane stays blocked by one that has FAILED and blocks it
_ENDED = (
    "SELECT DISTINCT CASE WHEN state = 'FAILED' AND blocks_lane THEN '' ELSE lane END, "
    "CASE WHEN watched THEN batch END FROM {table} WHERE id {among_ids} AND (lane <> '' OR watched)"
)


def follow(ids: Sequence[int]) -> None:
    """Have what waits for the end of these deliveries go on."""
    ended = rows(_ENDED, ids=list(ids))
    for batch in sorted({batch for _lane, batch in ended if type(batch) is int}):  # SQLite stores anything
        advance(batch)
    # lanes.release(lane) for each of them
