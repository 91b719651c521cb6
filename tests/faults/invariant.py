"""The invariant, asked of a database: ``python -m tests.faults.invariant DATABASE_URL [JOURNAL [CRASH...]]``.

It reads tables and a file and knows nothing of the code that wrote them:

- every delivery is SUCCESSFUL, FAILED, CANCELLED or MERGED;
- a receiver whose key has ``exactly_once`` in it left one effect, of its last attempt, where it is SUCCESSFUL, and
  none elsewhere;
- a FAILED delivery has an attempt on the record that says why;
- a batch that is closed is settled, and one delivery follows it;
- the attempts that were counted are those on the record: each failure, numbered once, and the success;
- the attempts that ran, by the journal, are those that were counted; none began twice, but for a crash of the server,
  at the time CRASH, that came between the two, and for the first of a receiver that may run again, where its worker
  died before that was recorded; and none is on the record as having ended otherwise than LOST or CANCELLED without
  having begun.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

DELIVERIES = "SELECT id, receiver, state, attempts, max_attempts FROM signals_app_delivery"
ATTEMPTS = "SELECT delivery_id, number, outcome, message FROM signals_app_attempt"
BATCHES = (
    "SELECT b.id, b.settled_at IS NOT NULL, count(d.id) FROM signals_app_batch b LEFT JOIN signals_app_delivery d "
    "ON d.receiver = 'signals_app.batch_done' AND d.sent_from = 'batch #' || b.id "
    "WHERE b.closed_at IS NOT NULL GROUP BY b.id, b.settled_at ORDER BY b.id"
)
EFFECTS = "SELECT delivery_id, attempt FROM testapp_effect ORDER BY id"
Journal = defaultdict[int, Counter[int]]
FINAL = {"SUCCESSFUL", "FAILED", "CANCELLED", "MERGED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was counted, and what is wrong; nothing is, where ``violations`` is empty."""

    states: dict[str, int]
    attempts: int
    failed_attempts: dict[str, int]
    effects: int
    begun: int
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The rows that the invariant is about; of effects, the delivery and the attempt."""

    deliveries: list[tuple[int, str, str, int, int]]
    attempts: list[tuple[int, int, str, str]]
    effects: list[tuple[int, int]]
    batches: list[tuple[int, bool, int]] = field(default_factory=list)  # settled or not, and by how many followed


def read(url: str) -> Tables:
    """Read the tables of ``sqlite:///path`` or ``postgres://...``."""
    parts = urlsplit(url)
    connection: Any
    if parts.scheme == "sqlite":
        connection = sqlite3.connect(f"file:{unquote(parts.path)}?mode=ro", uri=True, timeout=30)
    else:
        connection = psycopg.connect(url)
    with closing(connection):
        cursor = connection.cursor()
        rows = [cursor.execute(query).fetchall() for query in (DELIVERIES, ATTEMPTS, EFFECTS, BATCHES)]
    return Tables(deliveries=rows[0], attempts=rows[1], effects=rows[2], batches=rows[3])


def examine(tables: Tables, journal: Journal | None) -> Ledger:
    """Return the ledger of some tables, and of the journal where there is one."""
    ends: defaultdict[int, dict[int, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for delivery, number, outcome, message in tables.attempts:
        if outcome != "STALE":  # it tells of an attempt that another one replaced, and was LOST before
            ends[delivery][number].append((outcome, message))
    effects: defaultdict[int, list[int]] = defaultdict(list)
    for delivery, number in tables.effects:
        effects[delivery].append(number)
    violations: list[str] = []
    for row in tables.deliveries:
        violations += _of_delivery(row, ends[row[0]], effects[row[0]])
        if journal is not None:
            violations += _of_runs(row, ends[row[0]], journal[row[0]])
    for one, is_settled, followers in tables.batches:
        if not is_settled or followers != 1:
            violations.append(
                f"batch {one} is {'' if is_settled else 'not '}settled, and {followers} deliveries follow it"
            )
    known = {row[0] for row in tables.deliveries}
    violations += [f"delivery {one} does not exist, and left an effect" for one in effects.keys() - known - {0}]
    return Ledger(
        states=dict(Counter(row[2] for row in tables.deliveries)),
        attempts=sum(row[3] for row in tables.deliveries),
        failed_attempts=dict(Counter(row[2] for row in tables.attempts)),
        effects=len(tables.effects),
        begun=sum(journal[row[0]].total() for row in tables.deliveries) if journal is not None else 0,
        violations=violations,
    )


def _of_delivery(
    row: tuple[int, str, str, int, int], ends: dict[int, list[tuple[str, str]]], effects: list[int]
) -> Iterator[str]:
    one, receiver, state, attempts, _ = row
    successes = int(state == "SUCCESSFUL")
    if state not in FINAL:
        yield f"delivery {one} is {state}"
    if "exactly_once" in receiver and effects != [attempts] * successes:
        yield f"delivery {one} is {state} after {attempts} attempts, and left effects of attempts {effects}"
    if state == "FAILED" and not any(message for _, message in ends.get(attempts, [])):
        yield f"delivery {one} is FAILED and nothing says why"
    if sorted(ends) != list(range(1, attempts + 1 - successes)) or any(len(of) > 1 for of in ends.values()):
        recorded = {number: [outcome for outcome, _ in of] for number, of in sorted(ends.items())}
        yield f"delivery {one} is {state} after {attempts} attempts, and its failed attempts are {recorded}"


def _of_runs(
    row: tuple[int, str, str, int, int], ends: dict[int, list[tuple[str, str]]], begun: Counter[int]
) -> Iterator[str]:
    one, receiver, state, attempts, most = row
    may_run_again = not receiver.startswith("exactly_once.") and most > 1
    for number, times in begun.items():
        if times > 1 + (may_run_again and number == 1):
            yield f"delivery {one} began its attempt {number} {times} times"
        if number > attempts:
            yield f"delivery {one} began an attempt {number} and counts {attempts}"
    for number in range(1, attempts + 1):
        said = [message for _, message in ends.get(number, [])]
        unbegun = any(outcome in ("LOST", "CANCELLED") for outcome, _ in ends.get(number, []))
        if not unbegun and not begun[number] and not any("was set aside" in message for message in said):
            yield f"delivery {one} ({state}) counts an attempt {number} that never began: {said}"


def read_journal(path: Path, crashes: Sequence[float] = ()) -> Journal:
    journal: Journal = defaultdict(Counter)
    last: dict[tuple[int, int], float] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        delivery, number, at = (float(line.split()[place]) for place in (0, 1, 3))
        one = (int(delivery), int(number))
        if not any(last.get(one, at) < crash < at for crash in crashes):  # else the server forgot the claim before
            journal[one[0]][one[1]] += 1
        last[one] = at
    return journal


def main(url: str, journal: str | None = None, *crashes: str) -> int:
    """Print the ledger as JSON; return 1 where the invariant does not hold."""
    ledger = examine(read(url), read_journal(Path(journal), [*map(float, crashes)]) if journal else None)
    print(json.dumps(asdict(ledger), indent=2))
    return int(bool(ledger.violations))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
