"""What the lab's page shows, put together from runs and source files."""

from collections.abc import Sequence
from typing import Any

from sigdemo.lab.facts import Facts, facts_of
from sigdemo.lab.kinds import Kind
from sigdemo.lab.models import LabRun
from sigdemo.lab.pings import Latency
from sigdemo.lab.timeline import timeline_of
from sigdemo.lab.verdict import guess_of, verdict


def crash_facts_of(run: LabRun) -> Facts | None:
    """Return what was measured in the crash that belongs to a run, if one does."""
    crash = LabRun.objects.filter(crash_of=run).first()
    return facts_of(crash) if crash else None


def result_of(run: LabRun) -> dict[str, Any]:
    """Return what the page shows of a run."""
    facts, crash = facts_of(run), crash_facts_of(run)
    return {
        "run": run,
        "facts": facts,
        "crash": crash,
        "over": facts.is_over and (crash is None or crash.is_over),
        "verdict": verdict(facts, crash),
        "guess": guess_of(facts),
        "timelines": [timeline_of(facts, crash), *([timeline_of(crash)] if crash and crash.began else [])],
        "latencies": latencies_of(run),
    }


def latencies_of(run: LabRun) -> Sequence[Latency]:
    """Return what other visitors noticed: idle first, then per lane; empty where nobody measured."""
    work = "CPU" if run.kind == Kind.CPU else "waiting"
    lanes = [
        Latency(label=f"{lane.get_way_display()}, {work}", samples=lane.pings, idle=run.idle_pings)
        for lane in run.lanes.order_by("position")
        if lane.pings
    ]
    return [Latency(label="Idle", samples=run.idle_pings), *lanes] if run.idle_pings or lanes else []
