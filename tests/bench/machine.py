"""Where a run took place: what anyone who compares two of them must know."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe(directory: Path) -> dict[str, str]:
    """Return the versions, the processor, the load and the file system that the databases of SQLite are on."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("django", "django-q2", "psycopg")},
        "kernel": platform.release(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load before": load(),
        "SQLite's directory": _file_system(directory),
    }


def load() -> str:
    """Return the load of the last 1, 5 and 15 minutes; the benchmark alone makes it about 2."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _file_system(directory: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(point), kind) for point, kind in mounts if directory.is_relative_to(point)]
    return max(holding, default=(0, "unknown"))[1]
