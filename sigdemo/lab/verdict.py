"""What a run shows, said from its measurements and from nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from sigdemo.lab.clock import duration
from sigdemo.lab.facts import Facts, Lane
from sigdemo.lab.kinds import BY_A_WORKER, Guess, Outcome, Way
from sigdemo.lab.pings import factor

CLOSE = 0.02  # seconds by which two clocks read one after another may disagree
NOTICED = 2.0  # how many times slower a request must be before other visitors notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """One thing that was measured of a way; ``look`` names its colours and its icon."""

    look: str
    word: str


def verdict(facts: Facts, crash: Facts | None = None) -> str:
    """Say in a line what came of each lane that was run; ``crash`` is the crash test that followed it."""
    return " ".join(said(lane, lane_of(crash, lane.way)) for lane in facts.lanes if lane.began)


def lane_of(facts: Facts | None, way: Way) -> Lane | None:
    """Return a run's lane of one way, if it was run."""
    return next((lane for lane in facts.lanes if lane.way == way and lane.began), None) if facts else None


def said(lane: Lane, crashed: Lane | None = None) -> str:
    """Say how long one lane's visitor waited and what became of the work, also when its process died."""
    if lane.answered_after is None:
        return f"{lane.way.label}: {'the visitor still waits' if lane.began else 'not run'}."
    took = duration(lane.answered_after)
    return f"{lane.way.label}: {f'you waited {took}' if waits(lane) else took}{_work(lane)}{_crash(crashed or lane)}."


def waits(lane: Lane) -> bool:
    """Tell whether the answer left only when the work had ended."""
    if lane.answered_after is None or not lane.works or not lane.is_over or any(work.is_lost for work in lane.works):
        return False
    return max(work.end for work in lane.works) <= lane.answered_after + CLOSE


def _work(lane: Lane) -> str:
    """Say what became of the work where that is more than that it was done."""
    failed = [work.attempt for work in lane.works if work.outcome == Outcome.FAILED]
    again = max([work.attempt for work in lane.works if work.ended_well], default=0)
    if never := len(lane.never_called):
        return f" for an error, and {never} receiver{'s' * (never > 1)} behind it never ran"
    if lane.row.error:
        return " for an error"
    if any(work.is_running for work in lane.works):
        return ", and the work goes on"
    if failed:
        if again > 1:
            return f", failed at attempt {max(failed)} and was done at attempt {again}"
        if lane.waiting:
            return ", failed, and is tried again"
        recorded = max(failed) > 1 or lane.way in BY_A_WORKER
        return (
            f", and failed {max(failed)} times, on record" if recorded else ", and only the server log knows it failed"
        )
    if lane.waiting and not lane.works:
        return ", and the work waits in the database for a worker"
    return ""


def _crash(lane: Lane) -> str:
    """Say what became of the work whose process was killed."""
    if not any(work.is_lost for work in lane.works):
        return ""
    if survives(lane):
        return ", and it survived"
    return ", its worker died, and it waits for another" if lane.waiting else ", and lost when the process died"


def survives(lane: Lane) -> bool:
    """Tell whether work was lost with its process and then done by another one."""
    return any(work.is_lost for work in lane.works) and any(work.attempt > 1 and work.ended_well for work in lane.works)


def badges_of(lane: Lane, crashed: Lane | None, idle: Sequence[float]) -> list[Badge]:
    """Return what was measured of a way in this run; what was not has no badge."""
    badges = []
    if lane.answered_after is not None and (lane.works or lane.waiting):
        badges.append(_badge(not waits(lane), "the request does not wait", "the request waits"))
    killed = crashed or lane
    if any(work.is_lost for work in killed.works) and (killed.is_over or survives(killed)):
        badges.append(_badge(survives(killed), "survives a crash", "lost in a crash"))
    works = [*lane.works, *(crashed.works if crashed else ())]
    if any(work.attempt > 1 for work in works):
        badges.append(_badge(True, "is retried", ""))
    elif killed.is_over and any(work.is_lost or work.outcome == Outcome.FAILED for work in works):
        badges.append(_badge(False, "", "is not retried"))
    slower = factor(lane.row.pings, idle)
    if slower is not None:
        times = f"\N{MULTIPLICATION SIGN}{slower:.1f}"
        badges.append(_badge(slower < NOTICED, f"slows nobody else ({times})", f"slows other visitors {times}"))
    return badges


def _badge(good: bool, yes: str, no: str) -> Badge:
    return Badge(look="successful", word=yes) if good else Badge(look="failed", word=no)


def guess_of(facts: Facts) -> str:
    """Hold the visitor's guess against what was measured; "" where none was made."""
    if not facts.run.guess:
        return ""
    guess = Guess(facts.run.guess)
    if not facts.is_over:
        return f"Your guess: {guess.label.lower()}."
    waited = [lane.way.value for lane in facts.lanes if waits(lane)] or [Guess.NOBODY.value]
    measured = " and ".join(one.label.lower() for one in Guess if one.value in waited)
    right = waited == [guess.value]
    return f"Your guess: {guess.label.lower()}. {'You were right' if right else f'Measured: {measured}'}."


def gil_words(enabled: bool | None) -> str:
    """Say what threads of the web process do to each other; None is a Python that cannot tell, which has its GIL."""
    if enabled is False:
        return "The GIL is disabled here: threads of one process run Python side by side."
    known = "The GIL is enabled here" if enabled else "This Python always has its GIL"
    return f"{known}: threads of one process take turns running Python, and other visitors wait their turn too."
