"""A contender's cluster, and how much memory each of its processes takes."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.bench.contenders import WORKERS, Setup


@dataclass(slots=True)
class Memory:
    """One process: the most that was resident at any time, and its proportional share at the last look, in MB."""

    role: str
    peak: float
    share: float | None = None


class Cluster:
    """A real ``qcluster`` in processes of its own. Ended by pid: nothing that it could still do matters."""

    def __init__(self, setup: Setup, *, port: int) -> None:
        self._setup = setup
        self._port = str(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, Memory] = {}
        self._order: dict[int, int] = {}  # of the sentinel's children, as they were first seen

    def __enter__(self) -> Self:
        self._process = self._setup.start(
            ["-m", "django", "qcluster"], environment={"BENCH_PORT": self._port}, stdin=subprocess.DEVNULL
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        family = self._family()
        for pid in (self._process.pid, *family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def look(self) -> None:
        """Note every process's peak so far; workers that are recycled later are so remembered."""
        for pid, role in self._roles().items():
            peak = _field(Path(f"/proc/{pid}/status"), "VmHWM:")
            if peak is not None:
                self._seen[pid] = Memory(role, peak)

    def memory(self) -> list[Memory]:
        """Return the memory of every process seen, with the share of those that live."""
        self.look()
        for pid, memory in self._seen.items():
            memory.share = _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")
        return list(self._seen.values())

    def _family(self) -> dict[int, int]:
        """Return the living processes below the command, each with its parent."""
        assert self._process is not None
        family: dict[int, int] = {}
        todo = [self._process.pid]
        while todo:
            parent = todo.pop()
            children = _children(parent)
            family |= dict.fromkeys(children, parent)
            todo += children
        return family

    def _roles(self) -> dict[int, str]:
        """Tell processes apart by the order in which Django-Q forks them: main, sentinel, workers, monitor, pusher."""
        assert self._process is not None
        family = self._family()
        by_parent: dict[int, list[int]] = {}
        for pid in sorted(family):
            by_parent.setdefault(family[pid], []).append(pid)
        sentinel = next((pid for pid, children in by_parent.items() if len(children) >= WORKERS + 2), None)
        if sentinel is None or sentinel == self._process.pid:
            return {}
        main = family[sentinel]
        roles = {self._process.pid: "supervisor", main: "main", sentinel: "sentinel"}
        for pid in by_parent[sentinel]:
            self._order.setdefault(pid, len(self._order))
            roles[pid] = {WORKERS: "monitor", WORKERS + 1: "pusher"}.get(self._order[pid], "worker")
        return roles


def _children(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def _field(file: Path, name: str) -> float | None:
    """Read a size in MB from a file of /proc; None where the process or the file is gone."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), None)
