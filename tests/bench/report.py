"""What a run found, for people and for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.contenders import CONTENDERS
from tests.bench.figures import Spread, Target
from tests.bench.measuring import Found, Result

CONNECTIONS = {
    "reopened": "CONN_MAX_AGE=0, Django's default: django-q2's broker and every task open a connection anew",
    "kept": "CONN_MAX_AGE as the site has it: connections stay open",
}
ROLES = ("worker", "pusher", "monitor", "sentinel", "main", "supervisor")


def targets(found: Found) -> list[Target]:
    """Return what issue and design ask for, and what this database came to."""
    aims = [
        aim for connections, results in found.results.items() for aim in _ratios(found.vendor, connections, results)
    ]
    few, many, few_late, many_late, behind = (case["statement"].p50 for case in found.claims.values())
    claims = {
        "a claim at many waiting, of few; no history": many / few,
        "a claim at many waiting, of few; a history beside both": many_late / few_late,
        "a claim at many waiting and a history, of few and none": many_late / few,
        "a claim behind many for later, of one behind none": behind / few_late,
    }
    aims += _bulk_targets(found.vendor, found.many_sends)
    return aims + [
        Target(what=what, setup=found.vendor, measured=ratio, limit=2.0, unit="times") for what, ratio in claims.items()
    ]


def _ratios(vendor: str, connections: str, results: dict[str, Result]) -> Iterable[Target]:
    """Compare with django-q2 as it is, reopening connections; where they are kept, the ratios show what that costs."""
    setup = f"{vendor}, {connections}"
    as_it_is = connections == "reopened"
    ours, tuned = results["signals_app"], results["django_q_tuned"]
    send = ours.send.p50 / tuned.send.p50
    cost = 0.1 if as_it_is else None
    yield Target(what="a send, of async_task's cost", setup=setup, measured=send, limit=cost, unit="times")
    yield Target(
        what="finished per second, of tuned django-q2",
        setup=setup,
        measured=median(our / its for our, its in zip(ours.rates, tuned.rates, strict=True)),
        limit=(6 if vendor == "sqlite" else 12) if as_it_is else None,
        unit="times",
        at_least=True,
    )
    yield Target(what="idle latency, p50", setup=setup, measured=ours.latency.p50, limit=6.0, unit="ms")
    beyond = ours.peak("worker") - tuned.peak("worker")
    yield Target(what="a worker's peak, beyond bare django-q2's", setup=setup, measured=beyond, limit=10.0, unit="MB")


def _bulk_targets(vendor: str, many_sends: dict[str, Spread]) -> Iterable[Target]:
    """Compare single sends with those in bulk(); whoever sends many has them in one transaction as a rule."""
    alone, together, bulk = (spread.p50 for spread in many_sends.values())
    least = 3 if vendor == "sqlite" else 10
    what = "a send in one transaction, of one in bulk()"
    yield Target(what=what, setup=vendor, measured=together / bulk, limit=least, unit="times", at_least=True)
    what = "a send that is committed, of one in bulk()"
    yield Target(what=what, setup=vendor, measured=alone / bulk, limit=None, unit="times")


def as_json(machine: dict[str, str], runs: Sequence[Found]) -> dict[str, Any]:
    """Return everything that was measured. Times are in milliseconds, memory is in MB, rates are per second."""
    return {
        "machine": machine,
        "databases": {found.vendor: asdict(found) for found in runs},
        "targets": [asdict(aim) | {"is_met": aim.is_met} for found in runs for aim in targets(found)],
    }


def describe_machine(directory: Path) -> dict[str, str]:
    """Return what anyone who compares two runs must know, and the file system that SQLite is on."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(point), kind) for point, kind in mounts if directory.is_relative_to(point)]
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("django", "django-q2", "psycopg")},
        "kernel": platform.release(),
        "processor": next((line.partition(":")[2].strip() for line in cpu if line.startswith("model name")), "unknown"),
        "cores": str(len(os.sched_getaffinity(0))),
        "load before": load(),
        "SQLite's directory": max(holding, default=(0, "unknown"))[1],
    }


def load() -> str:
    """Return the load of the last 1, 5 and 15 minutes; the benchmark alone makes it about 2."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def heading(machine: dict[str, str]) -> str:
    return "\n".join(f"{name:20} {value}" for name, value in machine.items())


def tables(found: Found) -> str:
    """Return what one database came to."""
    lines = ["", f"== {found.vendor} ".ljust(100, "="), "; ".join(f"{k}: {v}" for k, v in found.facts.items())]
    for connections, results in found.results.items():
        lines += ["", f"-- connections {connections} ({CONNECTIONS[connections]})", *_comparison(results)]
    lines += ["", "-- many sends, ms for each (p50 and p95)", *many_sends(found.many_sends)]
    lines += ["", "-- one claim, ms: the statement; with its commit; the pusher's look for due work (p50 and p95)"]
    lines += [_row(name, *(_pair(spread) for spread in case.values())) for name, case in found.claims.items()]
    lines += ["", "-- targets", *(_verdict(aim) for aim in targets(found))]
    return "\n".join(lines)


def many_sends(measured: dict[str, Spread]) -> Iterable[str]:
    """Yield a line for each way to send many, with how much longer it takes than bulk()."""
    *_, bulk = measured.values()
    for way, spread in measured.items():
        yield _row(way, _pair(spread), f"{spread.p50 / bulk.p50:.1f} times")


def in_lanes(measured: dict[str, list[float]]) -> Iterable[str]:
    """Yield a line for each number of lanes: the median of the rounds, and each of them."""
    for lanes, rates in measured.items():
        yield _row(lanes, f"{median(rates):.0f}/s", "/".join(f"{rate:.0f}" for rate in rates))


def _comparison(results: dict[str, Result]) -> Iterable[str]:
    shown = results.values()
    yield _row("", *(CONTENDERS[name] for name in results))
    yield _row("send(), ms (p50 and p95)", *(_pair(result.send) for result in shown))
    yield _row("  in a transaction", *(_pair(result.send_in_transaction) for result in shown))
    yield _row("finished per second", *(_rate(result) for result in shown))
    yield _row("  rounds", *("/".join(f"{rate:.0f}" for rate in result.rates) or "-" for result in shown))
    yield _row("idle latency, ms", *(_pair(result.latency) for result in shown))
    for role in ROLES:
        yield _row(f"{role}, peak MB (share)", *(_memory(result, role) for result in shown))


def _row(name: str, *cells: str) -> str:
    return f"{name:48}" + "".join(f"{cell:>22}" for cell in cells)


def _pair(spread: Spread | None) -> str:
    return f"{spread.p50:.3f}  {spread.p95:.3f}" if spread and spread.count else "-"


def _rate(result: Result) -> str:
    return f"{result.rate:.0f}" if result.rates else "-"


def _memory(result: Result, role: str) -> str:
    if not any(memory.role == role for memory in result.memory):
        return "-"
    shares = [memory.share for memory in result.memory if memory.role == role and memory.share is not None]
    return f"{result.peak(role):.1f}" + (f" ({max(shares):.1f})" if shares else "")


def _verdict(aim: Target) -> str:
    figure = f"{aim.setup:22}{aim.what:60}{aim.measured:>8.3g} {aim.unit:5}"
    if aim.limit is None:
        return f"{'':7}{figure} (for comparison)"
    return f"{'met' if aim.is_met else 'MISSED':7}{figure} ({'at least' if aim.at_least else 'at most'} {aim.limit:g})"
