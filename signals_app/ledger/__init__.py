"""The only writer of delivery states, and all SQL that is written by hand."""

from signals_app.ledger.backlog import Standing, oldest_waits, queues_with_work, standing
from signals_app.ledger.brief import briefly
from signals_app.ledger.chores import begin_chore, end_chore, offer_chore
from signals_app.ledger.claims import (
    Ahead,
    ClaimedDelivery,
    claim,
    give_back,
    give_back_unbegun,
    give_back_unroutable,
    renew,
    report_progress,
)
from signals_app.ledger.dialect import connection, journal_mode
from signals_app.ledger.figures import LONG, Figures, QueueFigures, failed_lately, figures
from signals_app.ledger.handoff import HandOff, enqueue
from signals_app.ledger.lately import NEWEST, Ended, Ran, ended_by_minute, handed_off_lately, newest_runs
from signals_app.ledger.lookout import Lookout, count_ready, due, seconds_to_next
from signals_app.ledger.operate import cancel, move, reassign, retry, run_now
from signals_app.ledger.outcomes import (
    BadEnd,
    end_badly,
    has_ended_badly,
    is_successful,
    record_stale,
    succeed,
    wait_for_writer,
)
from signals_app.ledger.pauses import PARK_AT_ONCE, awaits, is_paused, park, pause, pauses, resume
from signals_app.ledger.prune import Expired, expired, prune
from signals_app.ledger.rescue import Lost, Rescued, rescue
from signals_app.ledger.statistics import ClusterSeen, clusters, forget_old_stats, keep_stat, read_stat, read_stats
from signals_app.ledger.tallies import Count, TallyKey, add_tallies, read_tallies

__all__ = [
    "LONG",
    "NEWEST",
    "PARK_AT_ONCE",
    "Ahead",
    "BadEnd",
    "ClaimedDelivery",
    "ClusterSeen",
    "Count",
    "Ended",
    "Expired",
    "Figures",
    "HandOff",
    "Lookout",
    "Lost",
    "QueueFigures",
    "Ran",
    "Rescued",
    "Standing",
    "TallyKey",
    "add_tallies",
    "awaits",
    "begin_chore",
    "briefly",
    "cancel",
    "claim",
    "clusters",
    "connection",
    "count_ready",
    "due",
    "end_badly",
    "end_chore",
    "ended_by_minute",
    "enqueue",
    "expired",
    "failed_lately",
    "figures",
    "forget_old_stats",
    "give_back",
    "give_back_unbegun",
    "give_back_unroutable",
    "handed_off_lately",
    "has_ended_badly",
    "is_paused",
    "is_successful",
    "journal_mode",
    "keep_stat",
    "move",
    "newest_runs",
    "offer_chore",
    "oldest_waits",
    "park",
    "pause",
    "pauses",
    "prune",
    "queues_with_work",
    "read_stat",
    "read_stats",
    "read_tallies",
    "reassign",
    "record_stale",
    "renew",
    "report_progress",
    "rescue",
    "resume",
    "retry",
    "run_now",
    "seconds_to_next",
    "standing",
    "succeed",
    "wait_for_writer",
]
