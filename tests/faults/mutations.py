"""Ways to break the code that some test has to notice: each takes away what one promise rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """What is missing, the edits that take it away (file of signals_app, text, its replacement), and who notices."""

    without: str
    edits: tuple[tuple[str, str, str], ...]
    test: str  # of tests/signals_app
    vendors: tuple[str, ...] = ("sqlite", "postgresql")


# those that the design names; they are tried in the short form
FIRST = (
    Mutation(
        without="the token",
        edits=(("ledger/claims.py", " AND token = %(token)s AND state = 'RUNNING'", " AND state = 'RUNNING'"),),
        test="test_claims.py::test_a_claim_that_was_taken_over_can_write_nothing",
    ),
    Mutation(
        without="the state in the claim's condition",
        edits=(
            ("ledger/claims.py", "WHERE state = 'READY' AND id \"", 'WHERE id "'),
            ("ledger/dialect.py", "queue = %(queue)s AND state = 'READY'", "queue = %(queue)s"),
            ("ledger/dialect.py", "d.queue = %(queue)s AND d.state = 'READY'", "d.queue = %(queue)s"),
        ),
        test="test_claims.py::test_a_claimed_delivery_is_not_claimed_again",
    ),
    Mutation(
        without="the rescue's look at the owner",
        edits=(("ledger/rescue.py", " AND owner = %(owner)s", ""),),
        test="test_rescue.py::test_a_dead_process_takes_with_it_what_it_held_and_no_more",
    ),
)

MORE = (
    Mutation(
        without="the lock and the state of a row that another claim is about to take",
        edits=(
            ("ledger/claims.py", "WHERE state = 'READY' AND id \"", 'WHERE id "'),
            ("ledger/dialect.py", "'{lock}', ' FOR UPDATE SKIP LOCKED'", "'{lock}', ''"),
        ),
        test="test_claims.py::test_workers_that_claim_at_the_same_time_never_get_the_same_delivery",
        vendors=("postgresql",),
    ),
    Mutation(
        without="a new token for each claim",
        edits=(("ledger/claims.py", "THEN token + 1 ELSE", "THEN token ELSE"),),
        test="test_claims.py::test_a_claim_that_was_taken_over_can_write_nothing",
    ),
    Mutation(
        without="the count of attempts",
        edits=(("ledger/claims.py", "THEN attempts + 1 ELSE", "THEN attempts ELSE"),),
        test="test_worker.py::test_exhausted_attempts_fail_a_delivery",
    ),
    Mutation(
        without="the lease in the rescue's condition",
        edits=(("ledger/rescue.py", " AND (%(dead)s OR {_EXPIRED})", ""),),
        test="test_rescue.py::test_a_lease_that_was_renewed_outlives_the_others_of_its_process",
    ),
    Mutation(
        without="a loss that is charged",
        edits=(("ledger/rescue.py", "end_badly(claimed, end)", "give_back([claimed])"),),
        test="test_rescue.py::test_losing_the_last_attempt_fails_the_delivery",
    ),
    Mutation(
        without="giving back an attempt that never began",
        edits=(("ledger/claims.py", "THEN attempts - 1 ELSE", "THEN attempts ELSE"),),
        test="test_claims.py::test_what_is_given_back_was_never_attempted",
    ),
    Mutation(
        without="the record of what came too late",
        edits=(("ledger/outcomes.py", "    if not held:\n", "    if False:\n"),),
        test="test_outcomes.py::test_an_end_that_comes_too_late_is_kept_as_stale_and_changes_nothing",
    ),
    Mutation(
        without="the refusal that rolls an atomic receiver back",
        edits=(("attempt.py", "        if not _succeed(run):\n", "        if _succeed(run) is None:\n"),),
        test="test_worker.py::test_an_atomic_receiver_whose_claim_was_taken_over_leaves_no_effect",
    ),
    Mutation(
        without="one transaction around an atomic receiver",
        edits=(("attempt.py", "_call_atomically if is_atomic else _call", "_call if is_atomic else _call"),),
        test="test_worker.py::test_an_atomic_receiver_that_fails_leaves_nothing_behind",
    ),
    Mutation(
        without="a claim of its own for what was ever lost",
        edits=(("worker.py", "        if one.losses:\n", "        if one.losses < 0:\n"),),
        test="test_worker_claims.py::test_a_delivery_that_was_ever_lost_never_shares_a_claim",
    ),
    Mutation(
        without="a look at the lease after standing still",
        edits=(("worker.py", "    return ledger.renew(claimed, lease=conf.lease)\n", "    return True\n"),),
        test="test_worker_claims.py::test_a_worker_that_stood_still_makes_sure_of_its_lease",
    ),
    Mutation(
        without="an end for receivers that raise SystemExit",
        edits=(("attempt.py", "    except BaseException as error:", "    except Exception as error:"),),
        test="test_worker.py::test_exceptions_that_end_a_program_end_an_attempt_only",
    ),
    Mutation(
        without="the clock's word on a receiver that swallowed its timeout",
        edits=(
            (
                "timeouts.py",
                "    if time.monotonic() > end:\n        raise _timed_out(seconds)\n    return value",
                "    return value",
            ),
        ),
        test="test_timeouts.py::test_swallowing_the_interruption_does_not_help",
        vendors=("sqlite",),
    ),
    Mutation(
        without="the write lock taken from a receiver that is ended",
        edits=(("heartbeat.py", "            take_lock_from(hold.session)\n", ""),),
        test="test_heartbeat.py::test_what_waits_behind_a_run_whose_process_is_ended_goes_back_uncharged",
        vendors=("sqlite",),
    ),
    Mutation(
        without="the start time that tells a recycled pid",
        edits=(("processes.py", "_started(process.pid) != process.started", "not _started(process.pid)"),),
        test="test_processes.py::test_a_recycled_pid_is_not_taken_for_the_dead_one",
        vendors=("sqlite",),
    ),
    Mutation(
        without="the state in an operator's cancellation",
        edits=(
            (
                "ledger/operate.py",
                "\"WHERE id {among_ids} AND state = 'READY' RETURNING id\"\n)\n_MOVE",
                '"WHERE id {among_ids} RETURNING id"\n)\n_MOVE',
            ),
        ),
        test="test_operate.py::test_cancel_takes_only_what_waits",
    ),
    Mutation(
        without="one transaction around a bad end and its record",
        edits=(
            (
                "ledger/outcomes.py",
                "    with transaction.atomic(using=db.alias):\n        with execute(\n            _END",
                "    if True:\n        with execute(\n            _END",
            ),
        ),
        test="../faults/test_failpoints.py",
    ),
)
