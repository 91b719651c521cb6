"""The only writer of delivery states, and all SQL that is written by hand."""

from signals_app.ledger.batches import (
    CALLBACK,
    NewBatch,
    abandon_batch,
    begin_batch,
    close_batch,
    mend_batches,
    prune_batches,
)
from signals_app.ledger.claims import (
    Ahead,
    ClaimedDelivery,
    age_of,
    claim,
    claim_next,
    defer,
    give_back,
    give_back_unroutable,
    give_back_unstarted,
    is_deferred,
    renew,
    report_progress,
    sent_and_started,
)
from signals_app.ledger.clusters import (
    clusters,
    forget_old_stats,
    keep_stat,
    read_stat,
    read_stats,
)
from signals_app.ledger.coalescing import coalesce
from signals_app.ledger.due import awaits, count_ready, due, seconds_to_first, wake
from signals_app.ledger.enqueue import BATCH, NewDelivery, bulk, enqueue, new_emission
from signals_app.ledger.lanes import begin_in_lane, free, hand_on, mend_lanes, park_behind, succeed_and_hand_on
from signals_app.ledger.maintenance import (
    Expired,
    begin_maintenance,
    end_maintenance,
    expired,
    offer_maintenance,
    prune,
)
from signals_app.ledger.operations import cancel, move, reassign, retry, run_now
from signals_app.ledger.outcomes import (
    QUICK,
    Failure,
    Success,
    has_failed,
    is_successful,
    record_failure,
    record_stale,
    succeed,
    succeed_together,
    wait_for_writer,
)
from signals_app.ledger.pauses import (
    PARK_AT_ONCE,
    end_pauses,
    is_anything_aside,
    is_paused,
    park,
    pause,
    pauses,
    resume,
)
from signals_app.ledger.rates import prune_buckets, take_turn
from signals_app.ledger.recovery import Recovered, recover_lost
from signals_app.ledger.schedules import (
    due_schedules,
    enter_schedule,
    move_schedule,
    schedules_on_record,
)
from signals_app.ledger.snapshots import SPANS, Span, Totals, read_snapshots, read_totals, take_snapshot, this_minute
from signals_app.ledger.sql import (
    Change,
    ChangeListener,
    connection,
    database,
    missing_tables,
    now,
    prepare,
    short_lock_timeout,
)
from signals_app.ledger.stats import (
    LONG,
    MANY,
    NEWEST,
    RECENT,
    QueueStats,
    Ran,
    RecentAttempts,
    Stats,
    blocked_lanes,
    count_ahead,
    current_stats,
    newest_runs,
    oldest_waits,
    open_batches,
    pace,
    queues_with_work,
    receiver_stats,
    recent_attempts,
    recently_ended,
    recently_enqueued,
    unroutable_for,
)
from signals_app.ledger.tallies import Count, TallyKey, add_tallies, read_tallies
