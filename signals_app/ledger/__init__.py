"""The only writer of delivery states, and all SQL that is written by hand."""

from signals_app.ledger.claims import (
    ClaimedDelivery,
    claim,
    give_back,
    give_back_unroutable,
    renew,
    report_progress,
)
from signals_app.ledger.dialect import connection
from signals_app.ledger.handoff import HandOff, enqueue
from signals_app.ledger.lookout import Lookout, count_ready, due, is_running, seconds_to_next
from signals_app.ledger.operate import cancel, retry, skip
from signals_app.ledger.outcomes import (
    BadEnd,
    end_badly,
    has_ended_badly,
    is_successful,
    record_stale,
    succeed,
)
from signals_app.ledger.rescue import Rescued, rescue
from signals_app.ledger.statistics import forget_old_stats, keep_stat, read_stat, read_stats

__all__ = [
    "BadEnd",
    "ClaimedDelivery",
    "HandOff",
    "Lookout",
    "Rescued",
    "cancel",
    "claim",
    "connection",
    "count_ready",
    "due",
    "end_badly",
    "enqueue",
    "forget_old_stats",
    "give_back",
    "give_back_unroutable",
    "has_ended_badly",
    "is_running",
    "is_successful",
    "keep_stat",
    "read_stat",
    "read_stats",
    "record_stale",
    "renew",
    "report_progress",
    "rescue",
    "retry",
    "seconds_to_next",
    "skip",
    "succeed",
]
