"""Who is measured: the contenders, their measuring processes, their clusters and what memory these take."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
PATIENCE = 300.0  # seconds until a process that does not answer is given up
CONTENDERS = {"signals_app": "signals_app", "django_q_tuned": "django-q2, tuned", "django_q": "django-q2, defaults"}
Q_CLUSTERS: dict[str, dict[str, Any]] = {
    # as the site has it
    "signals_app": {"queue_limit": WORKERS, "max_attempts": 5},
    "django_q_tuned": {"bulk": 50, "save_limit": -1, "poll": 0.02},
    "django_q": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a process of the benchmark runs under: a contender, a database, and how its connections are treated."""

    contender: str
    database: str  # a URL
    connections: str  # "reopened" or "kept"
    log: Path

    def start(self, arguments: list[str], *, port: int = 0, **options: Any) -> subprocess.Popen[bytes]:
        """Start a Python process under this setup, which reports to a port; what it has to say goes to the log."""
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "BENCH_CONTENDER": self.contender,
            "BENCH_DATABASE": self.database,
            "BENCH_CONNECTIONS": self.connections,
            "BENCH_PORT": str(port),
        }
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stderr=log, **options)


class Child:
    """A measuring process. It ends by itself when its input does, and so with the benchmark."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._process = setup.start(["-m", "tests.bench.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.facts: dict[str, Any] = self._answer(lambda: None)

    def ask(self, do: str, meanwhile: Callable[[], None] = lambda: None, **arguments: Any) -> dict[str, Any]:
        """Have something measured and return the answer; ``meanwhile`` is called ten times a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(meanwhile)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(subprocess.TimeoutExpired, OSError):
            self._process.communicate(timeout=10)
        self._process.kill()
        self._process.wait()

    def _answer(self, meanwhile: Callable[[], None]) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while not select.select([self._process.stdout], [], [], 0.1)[0]:
            meanwhile()
            if time.monotonic() > deadline:
                self._process.kill()
        line = self._process.stdout.readline()
        if not line:
            said = self.setup.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.setup.contender} ended or did not answer within {PATIENCE:g} s. It said: {said}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(slots=True)
class Memory:
    """One process: the most that was resident at any time, and its proportional share at the last look, in MB."""

    role: str
    peak: float
    share: float | None = None


class Cluster:
    """A real ``qcluster`` in processes of its own. Ended by pid: nothing that it could still do matters."""

    def __init__(self, setup: Setup, *, port: int) -> None:
        self._process = setup.start(["-m", "django", "qcluster"], port=port, stdin=subprocess.DEVNULL)
        self._seen: dict[int, Memory] = {}
        self._order: dict[int, int] = {}  # of the sentinel's children, as they were first seen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for pid in (self._process.pid, *self._parents()):
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

    def _parents(self) -> dict[int, int]:
        """Return the living processes below the command, each with its parent."""
        parents: dict[int, int] = {}
        todo = [self._process.pid]
        while todo:
            parent = todo.pop()
            with suppress(OSError):  # it has ended meanwhile
                for thread in Path(f"/proc/{parent}/task").iterdir():
                    children = [int(child) for child in (thread / "children").read_text().split()]
                    parents |= dict.fromkeys(children, parent)
                    todo += children
        return parents

    def _roles(self) -> dict[int, str]:
        """Tell processes apart by the order in which Django-Q forks them: main, sentinel, workers, monitor, pusher."""
        parents = self._parents()
        by_parent: dict[int, list[int]] = {}
        for pid in sorted(parents):
            by_parent.setdefault(parents[pid], []).append(pid)
        sentinel = next((pid for pid, children in by_parent.items() if len(children) >= WORKERS + 2), None)
        if sentinel is None or sentinel == self._process.pid:
            return {}
        roles = {self._process.pid: "supervisor", parents[sentinel]: "main", sentinel: "sentinel"}
        for pid in by_parent[sentinel]:
            self._order.setdefault(pid, len(self._order))
            roles[pid] = {WORKERS: "monitor", WORKERS + 1: "pusher"}.get(self._order[pid], "worker")
        return roles


def _field(file: Path, name: str) -> float | None:
    """Read a size in MB from a file of /proc; None where the process or the file is gone."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), None)
