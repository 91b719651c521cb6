"""What follows when deliveries end, in the transaction in which they do: the next of their lane, the end of a batch."""

from __future__ import annotations

from collections.abc import Sequence

from signals_app.ledger.sql import rows

# a lane stays blocked by one that has FAILED and blocks it
_ENDED = (
    "SELECT DISTINCT CASE WHEN state = 'FAILED' AND blocks_lane THEN '' ELSE lane END, batch FROM {table} "
    "WHERE id {among_ids} AND (lane <> '' OR batch IS NOT NULL)"
)


def follow(ids: Sequence[int]) -> None:
    """Have what waits for the end of these deliveries go on."""
    for _lane, _batch in rows(_ENDED, ids=list(ids)):
        pass  # lanes.release(lane), batches.member_ended(batch)
