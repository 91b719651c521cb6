"""The plan of a run: who is measured when. Contenders take turns, so that what drifts on a machine drifts for all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import databases
from tests.bench.contenders import CONTENDERS, Child, Cluster, Memory, Setup
from tests.bench.figures import NOTHING, Scale, Spread

WARM_UP = 3  # sends to a cluster before its latency counts
TURNS = 10  # of each case of claims, and of many sends
LANE_TURNS = 3


@dataclass(slots=True)
class Result:
    """What one contender came to under one setup. Rates are deliveries or tasks per second."""

    send: Spread = NOTHING
    send_in_transaction: Spread = NOTHING
    rates: list[float] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    latency: Spread = NOTHING
    memory: list[Memory] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return median(self.rates)

    def peak(self, role: str) -> float:
        """Return the highest peak, in MB, of any process in a role."""
        return max(memory.peak for memory in self.memory if memory.role == role)


@dataclass(slots=True, kw_only=True)
class Found:
    """What a run came to on one database: results of contenders, by how connections are treated; sends; claims."""

    vendor: str
    facts: dict[str, Any]
    results: dict[str, dict[str, Result]]
    many_sends: dict[str, Spread]
    claims: dict[str, dict[str, Spread]]


def measure(vendor: str, scale: Scale, directory: Path) -> Found:
    """Measure everything on one database, which is made for it."""
    log = directory / f"{vendor}.log"
    with databases.made(vendor, directory) as url:
        with _ours(url, log) as child:
            child.ask("migrate")
            facts = child.ask("database")
        return Found(
            vendor=vendor,
            facts=facts,
            results={connections: compare(url, connections, scale, log) for connections in scale.rounds},
            many_sends=measure_many_sends(vendor, scale, directory),
            claims=measure_claims(vendor, scale, directory, log),
        )


def measure_many_sends(vendor: str, scale: Scale, directory: Path) -> dict[str, Spread]:
    """Time single sends and as many in bulk(), in turns, in a database of their own. The keys say how."""
    seconds: dict[str, list[float]] = {}
    with databases.made(vendor, directory) as url, _ours(url, directory / f"{vendor}.log") as child:
        child.ask("migrate")
        for _ in range(TURNS):
            child.ask("clear")
            for way, each in child.ask("send_many", count=scale.many_sends).items():
                seconds.setdefault(way, []).append(each)
    return {way: Spread.of(each) for way, each in seconds.items()}


def measure_lanes(vendor: str, scale: Scale, directory: Path) -> dict[str, list[float]]:
    """Time a cluster over a full queue in no lane, in one, and in as many as deliveries; in turns.

    Returns how many it finished in a second, by how many lanes there were.
    """
    rates: dict[str, list[float]] = {"no lane": [], "1 lane": [], f"{scale.lanes} lanes": []}
    with databases.made(vendor, directory) as url, _ours(url, directory / f"{vendor}.log") as child:
        child.ask("migrate")
        for number in range(LANE_TURNS):
            for lanes in _in_turn(rates, number):
                child.ask("clear")
                child.ask("fill", count=scale.lanes)
                if lanes != "no lane":
                    child.ask("put_in_lanes", count=int(lanes.split()[0]))
                with Cluster(child.setup, port=child.facts["port"]):
                    run = child.ask("watch", queued=scale.lanes, window=math.inf)
                rates[lanes].append(run["finished"] / run["seconds"])
    return rates


def compare(database: str, connections: str, scale: Scale, log: Path) -> dict[str, Result]:
    """Measure all contenders on one database, with connections reopened or kept."""
    with ExitStack() as stack:
        children = {}
        for contender in CONTENDERS:
            setup = Setup(contender=contender, database=database, connections=connections, log=log)
            children[contender] = stack.enter_context(Child(setup))
        results = {contender: Result() for contender in CONTENDERS}
        _compare_sends(children, results, scale)
        latencies: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
        for number in range(scale.rounds[connections]):
            for contender in _in_turn(CONTENDERS, number):
                if contender != "django_q" or number < scale.slow_rounds[connections]:
                    latencies[contender] += _run(children, contender, results[contender], scale)
        for contender, seconds in latencies.items():
            if seconds:
                results[contender].latency = Spread.of(seconds)
        return results


def _compare_sends(children: dict[str, Child], results: dict[str, Result], scale: Scale) -> None:
    for in_transaction in (False, True):
        seconds: dict[str, list[float]] = {contender: [] for contender in children}
        _clear(children)
        for child in children.values():
            child.ask("send", count=5, in_transaction=in_transaction)
        for number in range(scale.blocks):
            for contender in _in_turn(children, number):
                answer = children[contender].ask("send", count=scale.block, in_transaction=in_transaction)
                seconds[contender] += answer["seconds"]
        for contender, result in results.items():
            setattr(result, "send_in_transaction" if in_transaction else "send", Spread.of(seconds[contender]))


def _run(children: dict[str, Child], contender: str, result: Result, scale: Scale) -> list[float]:
    """Start a cluster before a full queue, take its rate, then its latency and memory; return the latencies."""
    child = children[contender]
    _clear(children)
    child.ask("fill", count=scale.queue)
    with Cluster(child.setup, port=child.facts["port"]) as cluster:
        run = child.ask("watch", queued=scale.queue, window=scale.window, meanwhile=cluster.look)
        if run["seconds"] > 0:
            result.rates.append(run["finished"] / run["seconds"])
        result.runs.append(run)
        child.ask("clear")
        seconds: list[float] = child.ask("ask", count=scale.asks, warm_up=WARM_UP, meanwhile=cluster.look)["seconds"]
        result.memory += cluster.memory()
    return seconds


def _clear(children: dict[str, Child]) -> None:
    for contender in ("signals_app", "django_q"):
        children[contender].ask("clear")


def measure_claims(vendor: str, scale: Scale, directory: Path, log: Path) -> dict[str, dict[str, Spread]]:
    """Time claims of one delivery beside backlogs and histories, in a database for each case so that they take turns.

    The key of a case says what is in its table.
    """
    few, many, past = scale.few, scale.many, scale.finished
    cases = [(few, 0, 0), (many, 0, 0), (few, past, 0), (many, past, 0), (few, past, many)]
    with ExitStack() as stack:
        histories = {}
        for finished in (0, past):
            histories[finished] = stack.enter_context(databases.made(vendor, directory))
            with _ours(histories[finished], log) as child:
                child.ask("migrate")
                child.ask("prepare", finished=finished)
        children = {}
        for waiting, finished, later in cases:
            url = stack.enter_context(databases.made(vendor, directory, like=histories[finished]))
            child = stack.enter_context(_ours(url, log))
            child.ask("prepare", waiting=waiting, later=later)
            children[f"{waiting} waiting, {finished} finished, {later} for later"] = child
        measured: dict[str, dict[str, list[float]]] = {name: {} for name in children}
        for number in range(TURNS):
            for name in _in_turn(children, number):
                for what, seconds in children[name].ask("claim", count=scale.claims // TURNS).items():
                    measured[name].setdefault(what, []).extend(seconds)
    return {name: {what: Spread.of(seconds) for what, seconds in case.items()} for name, case in measured.items()}


def _ours(url: str, log: Path) -> Child:
    return Child(Setup(contender="signals_app", database=url, connections="kept", log=log))


def _in_turn(names: Iterable[str], number: int) -> list[str]:
    """Return them forwards, or backwards every other time."""
    return list(names)[:: -1 if number % 2 else 1]
