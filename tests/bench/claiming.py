"""Claims beside backlogs and histories: one database for each case, so that the cases can take turns."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.bench import databases
from tests.bench.contenders import Child, Setup
from tests.bench.figures import Scale, Spread

TURNS = 10


def measure(vendor: str, scale: Scale, directory: Path, log: Path) -> dict[str, dict[str, Spread]]:
    """Time claims of one delivery; the key of a case says what is in its table."""
    few, many, past = scale.few, scale.many, scale.finished
    cases = [(few, 0, 0), (many, 0, 0), (few, past, 0), (many, past, 0), (few, past, many)]
    with ExitStack() as stack:
        histories = {finished: _history(stack, vendor, directory, log, finished=finished) for finished in (0, past)}
        children = {}
        for waiting, finished, later in cases:
            url = stack.enter_context(databases.made(vendor, directory, like=histories[finished]))
            child = stack.enter_context(_child(url, log))
            child.ask("prepare", waiting=waiting, later=later)
            children[f"{waiting} waiting, {finished} finished, {later} for later"] = child
        measured: dict[str, dict[str, list[float]]] = {name: {} for name in children}
        for turn in range(TURNS):
            for name in list(children)[:: -1 if turn % 2 else 1]:
                for what, seconds in children[name].ask("claim", count=scale.claims // TURNS).items():
                    measured[name].setdefault(what, []).extend(seconds)
    return {name: {what: Spread.of(seconds) for what, seconds in case.items()} for name, case in measured.items()}


def _history(stack: ExitStack, vendor: str, directory: Path, log: Path, *, finished: int) -> str:
    url = stack.enter_context(databases.made(vendor, directory))
    with _child(url, log) as child:
        child.ask("migrate")
        child.ask("prepare", finished=finished)
    return url


def _child(url: str, log: Path) -> Child:
    return Child(Setup(contender="signals_app", database=url, connections="kept", log=log))
