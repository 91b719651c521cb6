"""Code that is broken on purpose, in a copy: the tests notice.

Each mutation takes away what one promise rests on. It is anchored by a regular expression, in which a space stands for
any white space and for the seam of two literals, so that it survives another layout and another file.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ROOT
from tests.faults.harness import FULL, VENDOR

PARTS = ("signals_app", "sigdemo", "receivers", "tests", "manage.py", "pyproject.toml")
OWN = ("TEST_RUN", "FAULT", "PYTEST_")  # how variables of this run of the tests begin; the copy's has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """``pattern`` becomes ``instead`` in a package of signals_app: everywhere, or in one function alone."""

    package: str
    pattern: str
    instead: str = ""
    function: str = ""

    def apply(self, root: Path) -> None:
        """Make the edit in a copy. Raises AssertionError where nothing matches."""
        pattern = re.compile(self.pattern.replace(" ", r"""(?:\s|"\s+f?")+"""), re.MULTILINE | re.DOTALL)
        edits = 0
        for file in (root / "signals_app" / self.package).rglob("*.py"):
            text = file.read_text()
            for part in [text] if not self.function else _function(text, self.function):
                changed, times = pattern.subn(self.instead, part)
                text, edits = text.replace(part, changed), edits + times
            file.write_text(text)
        assert edits, f"Nothing in {self.package} matches {self.pattern!r} by now; mend the mutation."


def _function(text: str, name: str) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == name]
    return [ast.get_source_segment(text, node) or "" for node in nodes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """What is missing, the edits that take it away, and the test (its name, or its file in tests) that notices."""

    without: str
    edits: tuple[Edit, ...]
    test: str
    vendors: tuple[str, ...]


def without(what: str, *edits: Edit, test: str, vendors: tuple[str, ...] = ("sqlite", "postgresql")) -> Mutation:
    return Mutation(without=what, edits=edits, test=test, vendors=vendors)


def ledger(pattern: str, instead: str = "", *, function: str = "") -> Edit:
    return Edit(package="ledger", pattern=pattern, instead=instead, function=function)


def worker(pattern: str, instead: str) -> Edit:
    return Edit(package="worker", pattern=pattern, instead=instead)


# those that the design names; they are tried in the short form
FIRST = [
    without(
        "the token", ledger(r" AND token = %\(token\)s"), test="test_a_claim_that_was_taken_over_can_write_nothing"
    ),
    without(
        "the owner",
        ledger(r"(token = %\(token\)s) AND owner = %\(owner\)s", r"\1"),
        test="test_a_claim_that_a_crash_of_the_server_took_back_can_write_nothing",
    ),
    without(
        "the state in the claim's condition",
        ledger(r"\{WAITING\} AND (?=id )"),
        ledger(r" AND (d\.)?state = 'READY'"),
        test="test_a_claimed_delivery_is_not_claimed_again",
    ),
    without(
        "the recovery's check of the owner",
        ledger(r" AND owner = %\(owner\)s"),
        test="test_a_dead_process_takes_with_it_what_it_held_and_no_more",
    ),
]
MORE = [
    without(
        "the lock and the state of a row that another claim is about to take",
        ledger(r"\{WAITING\} AND (?=id )"),
        ledger(r"FOR UPDATE SKIP LOCKED"),
        test="test_workers_that_claim_at_the_same_time_never_get_the_same_delivery",
        vendors=("postgresql",),
    ),
    without(
        "a new token for each claim",
        ledger(r"THEN token \+ 1", "THEN token"),
        test="test_a_claim_that_was_taken_over_can_write_nothing",
    ),
    without(
        "the count of attempts",
        ledger(r"THEN attempts \+ 1", "THEN attempts"),
        test="test_exhausted_attempts_fail_a_delivery",
    ),
    without(
        "the lease in the recovery's condition",
        ledger(r" AND \(%\(dead\)s OR \{\w+\}\)"),
        test="test_a_lease_that_was_renewed_outlives_the_others_of_its_process",
    ),
    without(
        "a loss that is charged",
        ledger(r"record_failure\((\w+), \w+\)", r"give_back([\1])"),
        test="test_losing_the_last_attempt_fails_the_delivery",
    ),
    without(
        "giving back an attempt that never began",
        ledger(r"THEN attempts - 1", "THEN attempts"),
        test="test_what_is_given_back_was_never_attempted",
    ),
    without(
        "the record of what came too late",
        ledger(r"if not held:", "if False:", function="record_failure"),
        test="test_an_end_that_comes_too_late_is_kept_as_stale_and_changes_nothing",
    ),
    without(
        "the refusal that rolls an atomic receiver back",
        worker(r"if not (\w*succeed\([^:]*\)):(?= raise LeaseLost)", r"if (\1) is None:"),
        test="test_an_atomic_receiver_whose_claim_was_taken_over_leaves_no_effect",
    ),
    without(
        "one transaction around an atomic receiver",
        worker(r"\b_call_atomically if", "_call if"),
        test="test_an_atomic_receiver_that_fails_leaves_nothing_behind",
    ),
    without(
        "a claim of its own for what was ever lost",
        worker(r"if (\w+)\.losses:", r"if \1.losses < 0:"),
        test="test_a_delivery_that_was_ever_lost_never_shares_a_claim",
    ),
    without(
        "a check of the lease after standing still",
        worker(r"return ledger\.renew\([^\n]*$", "return True"),
        test="test_a_worker_that_stood_still_makes_sure_of_its_lease",
    ),
    without(
        "an end for receivers that raise SystemExit",
        worker(r"except BaseException as error", "except Exception as error"),
        test="test_exceptions_that_end_a_program_end_an_attempt_only",
    ),
    without(
        "the clock's word on a receiver that swallowed its timeout",
        worker(r"if time\.monotonic\(\) > end: raise \w+\(seconds\) return", "return"),
        test="test_swallowing_the_interruption_does_not_help",
        vendors=("sqlite",),
    ),
    without(
        "the write lock taken from a receiver that is ended",
        worker(r"^( +)ledger\S+\.free_write_lock\([^\n]*$", r"\1pass"),
        test="test_what_waits_behind_a_run_whose_process_is_ended_goes_back_uncharged",
        vendors=("sqlite",),
    ),
    without(
        "the start time that tells a recycled pid",
        Edit(package="processes", pattern=r"(_started\(\w+\.pid\)) != \w+\.started", instead=r"not \1"),
        test="test_a_recycled_pid_is_not_taken_for_the_dead_one",
        vendors=("sqlite",),
    ),
    without(
        "the state in an operator's cancellation",
        ledger(r" AND state IN \('READY', 'RUNNING'\)( RETURNING id)", r"\1"),
        test="test_a_change_takes_only_what_is_in_the_right_state_and_once",
    ),
    without(
        "a row for each send (nothing is inserted if one of its key waits)",
        ledger(
            r"VALUES \((\{[^}]*\})\)",
            r"SELECT \1 WHERE NOT EXISTS (SELECT 1 FROM {{table}} WHERE state = 'READY' AND coalesce_key <> '' "
            r"AND coalesce_key = %(coalesce_key)s AND receiver = %(receiver)s)",
        ),
        ledger(r"cursor\.fetchone\(\)\[:3\]", "(cursor.fetchone() or (0, at, at))[:3]"),
        test="faults/test_saves.py",
        vendors=("postgresql",),
    ),
    without(
        "the mark of what has begun",
        ledger(r"OR slot IS NULL", "OR TRUE"),
        test="test_what_was_sent_while_one_runs_is_a_row_of_its_own",
    ),
    without(
        "a look whether a claim still holds",
        ledger(r" if one\.is_ours(?=\), None)", "", function="coalesce"),
        test="test_what_another_worker_has_claimed_and_not_begun_is_merged_and_that_worker_goes_on",
    ),
    without(
        "one transaction around a failure and its record",
        ledger(r"with transaction\.atomic\([^\n]*:$", "if True:", function="record_failure"),
        test="faults/test_failpoints.py",
    ),
    without(
        "the lock of the member that is to be watched",
        ledger(r" \{\{for_update\}\}(?=\{\{those\}\})"),
        test="test_the_last_two_members_may_end_at_the_same_moment",
        vendors=("postgresql",),
    ),
    without(
        "the lock of a batch whose watched members end",
        ledger(r"(FROM \{_TABLE\} WHERE id = %\(batch\)s) \{\{for_update\}\}", r"\1"),
        test="test_the_last_two_blocks_within_one_may_end_at_the_same_moment",
        vendors=("postgresql",),
    ),
    without(
        "the look at a batch of whoever ends its watched member",
        ledger(r" AND NOT watched"),
        test="test_the_last_two_members_may_end_at_the_same_moment",
    ),
    without(
        "one end of a batch",
        ledger(r" AND settled_at IS NULL(?=, parent)"),
        ledger(r"(id = %\(batch\)s) AND settled_at IS NULL", r"\1"),
        test="test_a_retry_is_waited_for_until_the_batch_is_settled",
    ),
    without(
        "the clock that checks each start by a rate",
        ledger(r"booked and used <= most", "booked"),
        test="test_the_rate_holds_when_all_have_waited_for_somebody_to_work",
    ),
    without(
        "a turn of its own for each that waits",
        ledger(r"last \+ interval", "0.0"),
        test="test_those_that_have_to_wait_are_due_one_interval_after_another_and_uncharged",
    ),
    without(
        "the lock of a bucket",
        ledger(r"with transaction\.atomic\([^\n]*:$", "if True:", function="take_turn"),
        test="test_workers_that_ask_at_the_same_time_get_different_turns",
        vendors=("postgresql",),
    ),
    without(
        "the end of a watch for a task that waits",
        Edit(package="worker", pattern=r"return duty\.tasks\.poll\(0\)$", instead="return False"),
        test="test_a_task_that_nobody_takes_calls_a_worker_off_its_watch",
    ),
    without(
        "a record of what is kept before others begin",
        worker(r"if not goes_on\(batch, one\):", "if False:"),
        test="test_what_is_kept_is_recorded_before_it_begins",
    ),
    without(
        "a record of what is kept before a failure is",
        worker(r"sessions\.mend\(\) record_kept\(batch\)", "sessions.mend()"),
        test="test_what_is_kept_is_recorded_before_a_failure",
    ),
    without(
        "the limit of time for what is kept",
        worker(r"return is_quick and [^\n]*$", "return is_quick"),
        test="test_nothing_is_kept_for_longer_than_its_time",
    ),
    without(
        "the heartbeat's record of what is kept",
        worker(r"batch\.record_kept\(\)(?= batch\.give_back_rest)", "pass"),
        test="test_the_heartbeat_records_what_is_kept_when_a_receiver_is_slow_for_once",
    ),
    without(
        "a check whether what is kept is on record, though the answer says no",
        worker(r"return _stands\(ledger\.is_successful, run\.claimed\) or ", "return "),
        test="test_each_is_recorded_and_told_of_once_though_the_answer_was_lost_or_the_statement_failed",
    ),
    without(
        "the one claim in which a success may be kept",
        worker(r"claimed\.token == 1 and ", ""),
        test="test_a_delivery_that_kills_its_worker_fails_after_its_attempts_and_one_more_at_most",
    ),
    without(
        "the record at once of what has one attempt",
        worker(r"and not claimed\.is_last_attempt ", ""),
        test="test_what_has_one_attempt_never_begins_twice",
    ),
    without(
        "the word of a worker that what it ran has ended well",
        worker(r"liveness\.run\(0\)", "pass"),
        test="test_a_worker_that_dies_as_it_records_what_is_kept_is_charged_nothing",
    ),
    without(
        "the knowledge of what a dead worker ran",
        ledger(r"if row\.id == run\]", "if False]"),
        test="test_the_one_that_a_worker_died_of_is_charged_and_not_what_had_ended_well",
    ),
    without(
        "the doubt whether the first of a claim had ended",
        ledger(r"if not others or not may_wait\([^:]*:", "if True:"),
        test="test_where_nobody_knows_what_a_worker_died_of_nothing_is_charged_at_first",
    ),
    without(
        "the token of what is recorded together",
        ledger(r" AND \{table\}\.token = ended\.token"),
        test="test_successes_are_recorded_together_each_with_its_own_times_but_what_was_taken_over_is_not",
    ),
    without(
        "the owner of what is recorded together",
        ledger(r"(ended\.token) AND owner = %\(owner\)s", r"\1"),
        test="test_successes_are_recorded_together_each_with_its_own_times_but_what_was_taken_over_is_not",
    ),
    without(
        "the end of a watch where its cluster stops",
        worker(r" and liveness\.may_claim(?= and liveness\.is_on_watch)", ""),
        test="faults/test_model.py",
    ),
    without(
        "the end of a watch for work",
        worker(r"liveness\.end_watch\(\)", "pass"),
        test="faults/test_model.py",
    ),
    without(
        "the post of a watcher that died, freed",
        Edit(package="processes", pattern=r" or group_of\(pid\) is None(?=\): self\._watcher)"),
        test="faults/test_model.py",
    ),
    without(
        "the post of a watcher that stands still, freed",
        Edit(package="processes", pattern=r"time\.monotonic\(\) - self\._watched_at > WATCH_LIFE or "),
        test="faults/test_model.py",
    ),
    without(
        "a hint at what the worker on watch leaves",
        Edit(package="cluster", pattern=r"if to_first == 0", instead="if to_first == 0 and not liveness.watcher"),
        test="faults/test_model.py",
    ),
    without(
        "the head start of the worker on watch",
        Edit(package="cluster", pattern=r"< HEAD_START", instead="< -1"),
        test="faults/test_model.py",
    ),
    without(
        "the lock of a lane that is brought back",
        ledger(r"CAST\(pg_advisory_xact_lock\(hashtextextended\(lane, 0\)\) AS text\)", "''"),
        test="test_what_is_parked_while_its_head_ends_comes_back",
        vendors=("postgresql",),
    ),
    without(
        "the next of a lane that ends",
        ledger(r"^( +)_bring_back\(lane, queue, slots=slots, limit=limit\)$", r"\1pass", function="follow"),
        test="test_whoever_ends_the_head_brings_the_next",
    ),
    without(
        "the order of a lane",
        ledger(r"\) >= %\(id\)s", ") >= 0"),
        test="test_of_a_lane_the_first_begins_and_the_others_wait_unattempted_until_it_ends",
    ),
    without(
        "the lanes that fail and block",
        ledger(r" AND NOT \{blocked\('%\(id\)s'\)\}"),
        ledger(r" AND NOT \{blocked\('d\.id', lane\)\}"),
        test="test_a_failed_head_that_blocks_is_waited_for_until_its_lane_is_freed_or_it_is_retried",
    ),
    without(
        "the count of what a worker on watch does, toward its replacement",
        worker(r"duty\.turns \+= 1", "pass"),
        test="faults/test_watch.py::test_a_watcher_is_recycled_like_any_worker",
        vendors=("sqlite",),
    ),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def mutated(whole: Path, mutation: Mutation, tmp_path: Path) -> Iterator[Path]:
    """The copy, broken until the test ends."""
    kept = tmp_path / "signals_app"
    shutil.copytree(whole / "signals_app", kept)
    for edit in mutation.edits:
        edit.apply(whole)
    yield whole
    shutil.rmtree(whole / "signals_app")
    kept.rename(whole / "signals_app")


def run(root: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy, on the database of this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *sorted(set(map(path_of, tests)))],
        cwd=root / "tests",
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def path_of(test: str) -> str:
    """Return where in tests a test of that name is. Raises AssertionError where there is none."""
    if "/" in test:
        return test
    tests = ROOT / "tests"
    for file in (tests / "signals_app").rglob("test_*.py"):
        if f"def {test}(" in file.read_text():
            return f"{file.relative_to(tests)}::{test}"
    raise AssertionError(f"There is no {test} by now; name the test that notices the mutation.")


def chosen() -> list[Mutation]:
    return [one for one in FIRST + MORE * FULL if VENDOR in one.vendors]


@pytest.mark.database
@pytest.mark.short("sqlite")
@pytest.mark.fault(23, "code broken on purpose, noticed")
@pytest.mark.parametrize("mutation", chosen(), ids=lambda mutation: mutation.without)
def test_a_test_fails_without(mutation: Mutation, mutated: Path, record_property: Any) -> None:
    record_property(mutation.without, "without")
    asked = run(mutated, mutation.test)
    assert asked.returncode == pytest.ExitCode.TESTS_FAILED, asked.stdout + asked.stderr
    assert f"FAILED {path_of(mutation.test)}" in asked.stdout, asked.stdout


@pytest.mark.short("sqlite")
@pytest.mark.database
def test_none_fails_in_a_copy_that_is_whole(whole: Path) -> None:
    asked = run(whole, *(one.test for one in chosen()))
    assert asked.returncode == pytest.ExitCode.OK, asked.stdout + asked.stderr


@pytest.mark.parametrize("mutation", FIRST + MORE, ids=lambda mutation: mutation.without)
def test_each_mutation_can_be_made_and_has_its_test(mutation: Mutation, mutated: Path) -> None:
    assert path_of(mutation.test)
