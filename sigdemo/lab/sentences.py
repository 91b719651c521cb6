"""One sentence per lane, derived from what was measured in it and from nothing else."""

from collections.abc import Sequence

from sigdemo.lab.clock import duration
from sigdemo.lab.facts import Lane, Work
from sigdemo.lab.kinds import Outcome

CLOSE = 0.02  # seconds by which two clocks read one after another may disagree


def sentence(lane: Lane) -> str:
    """Say what happened in a lane, in one sentence."""
    if not lane.began:
        return "It was not run."
    if lane.answered_after is None:
        return "The request is still waiting for the work."
    return f"{_request(lane, lane.answered_after)}{_aftermath(lane)}."


def _request(lane: Lane, answered: float) -> str:
    after = f"after {duration(answered)}"
    if not lane.works:
        return f"The request was answered {after}, before the work began"
    first = min(work.start for work in lane.works)
    if any(work.is_running for work in lane.works) or lane.waiting:
        return f"The request was answered {after}, and the work goes on"
    if any(work.is_lost for work in lane.works):
        return f"The request was answered {after}"
    last = max(work.end for work in lane.works)
    if last <= answered + CLOSE:
        return f"The request waited for the work: the answer left {after}, the work had ended after {duration(last)}"
    if answered <= first:
        return f"The request was answered {after}, before the work began"
    return f"The request was answered {after}, while the work went on until {duration(last)}"


def _aftermath(lane: Lane) -> str:
    lost = [work for work in lane.works if work.is_lost]
    failed = [work for work in lane.works if work.outcome == Outcome.FAILED]
    if lost:
        return _loss(lane, lost)
    if lane.never_called:
        count = len(lane.never_called)
        return f"; the visitor got an error, and {count} receiver{'s' * (count > 1)} behind it never ran"
    if lane.row.error:
        return "; the visitor got an error"
    if failed:
        return _failure(lane, failed)
    if lane.waiting and not lane.works:
        return "; the work waits in the database for a worker"
    return ""


def _loss(lane: Lane, lost: Sequence[Work]) -> str:
    again = [work for work in lane.works if work.attempt > 1 and work.ended_well]
    pids = _pids(lost)
    if again:
        return f"; the worker with pid {pids} died at it, and the one with pid {_pids(again)} did it again"
    if lane.waiting:
        return f"; the worker with pid {pids} died at it, and the work waits for another one"
    return f"; the process with pid {pids} died at the work, and nobody does it again"


def _failure(lane: Lane, failed: Sequence[Work]) -> str:
    last = max(work.attempt for work in failed)
    if any(work.attempt > 1 and work.ended_well for work in lane.works):
        return f"; attempt {last} failed, the next one succeeded"
    if lane.waiting:
        return f"; attempt {last} failed, and the queue tries again"
    if last > 1:
        return f"; it failed {last} times, and each failure is on record"
    return "; it failed, but the visitor got a good answer: only the server's log knows"


def _pids(works: Sequence[Work]) -> str:
    return ", ".join(str(pid) for pid in sorted({work.pid for work in works}))
