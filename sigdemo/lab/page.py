"""What the lab's page shows, put together from runs and source files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sigdemo.lab.facts import facts_of
from sigdemo.lab.kinds import Kind, Way, gil_enabled
from sigdemo.lab.models import LabRun
from sigdemo.lab.pings import Latency, percentile
from sigdemo.lab.source import code_of
from sigdemo.lab.timeline import timeline_of

LATEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One way and the lines behind it."""

    way: Way
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gil:
    """What is known of a process's global interpreter lock."""

    enabled: bool | None

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        if self.enabled is False:
            return "The GIL is disabled here: threads of one process run Python side by side."
        known = "The GIL is enabled here" if self.enabled else "This Python always has its GIL"
        return f"{known}: threads of one process take turns at running Python."


def lab_context() -> dict[str, Any]:
    """Return what the page shows with and without a run."""
    return {
        "codes": [Code(way=way, source=code_of(way)) for way in Way],
        "latest": LabRun.objects.all()[:LATEST],
        "gil": Gil(enabled=gil_enabled()),
    }


def result_of(run: LabRun) -> dict[str, Any]:
    """Return what the page shows of a run."""
    facts = facts_of(run)
    return {
        "run": run,
        "facts": facts,
        "timeline": timeline_of(facts),
        "latencies": latencies_of(run),
        "run_gil": Gil(enabled=run.gil),
    }


def latencies_of(run: LabRun) -> Sequence[Latency]:
    """Return what other visitors noticed: idle first, then per lane; empty where nobody measured."""
    idle_p95 = percentile(run.idle_pings, 95)
    idle = Latency(label="Idle", samples=run.idle_pings)
    lanes = [
        Latency(label=_label(run, lane.get_way_display()), samples=lane.pings, idle_p95=idle_p95)
        for lane in run.lanes.order_by("position")
        if lane.pings
    ]
    return [idle, *lanes] if run.idle_pings or lanes else []


def _label(run: LabRun, way: str) -> str:
    work = "CPU" if run.kind == Kind.CPU else "waiting"
    return f"{way}, {work}"
