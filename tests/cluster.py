"""A real ``manage.py qcluster`` in its own processes, on the test database."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from signals_app.models import FINAL_STATES, Delivery, State
from signals_app.processes.identity import ProcessIdentity

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds until a test gives up waiting
ROLES = {
    "worker": r"ready for work at (\d+)",
    "monitor": r"monitoring at (\d+)",
    "pusher": r"pushing tasks at (\d+)",
}


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds. Raises AssertionError, saying what did not happen, after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} s.")
        time.sleep(0.02)


def wait_for_end(deliveries: Iterable[Delivery], *, seconds: float = PATIENCE) -> None:
    """Wait until deliveries are in a final state, and refresh them."""
    waiting = list(deliveries)

    def ended() -> bool:
        for delivery in waiting:
            delivery.refresh_from_db()
        return all(delivery.state in FINAL_STATES for delivery in waiting)

    try:
        wait_until(ended, "the end of every delivery", seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error} {[(d.receiver, d.state, d.attempts) for d in waiting]}") from None


def is_all_done() -> bool:
    """Tell whether every delivery has ended."""
    return not Delivery.objects.exclude(state__in=FINAL_STATES).exists()


def wait_for_all(*, seconds: float = PATIENCE) -> None:
    """Wait until every delivery has ended."""
    wait_until(is_all_done, "the end of every delivery", seconds=seconds)


class Cluster:
    """Starts and stops a cluster; what it prints is in ``log``.

    ``within`` is a command that starts its own somewhere else: ``("ip", "netns", "exec", "there")``.
    """

    def __init__(self, log: Path, *, within: Sequence[str] = (), **environment: str) -> None:
        self.log = log
        self.within = within
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of ``manage.py qcluster`` itself."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until its workers are ready."""
        self._output = self.log.open("ab")
        seen = self._ready()
        environment = {**os.environ, "TEST_RUN_DB": "1", "PYTHONUNBUFFERED": "1", **self.environment}
        self._process = subprocess.Popen(
            [*self.within, sys.executable, "-W", "default", "manage.py", "qcluster", "--settings", "tests.settings"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        wait_until(lambda: self._ready() > seen or self._process.poll() is not None, "a ready cluster")  # type: ignore[union-attr]
        assert self._process.poll() is None, self.log.read_text()
        return self

    def status(self) -> int | None:
        """Return its exit status; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = PATIENCE) -> int:
        """Send it a signal and wait for its end; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End whatever is left of it, with every process that it started."""
        if self._process is None:
            return
        kill(self._process.pid, *descendants(self._process.pid))
        self._process.wait()
        self._process = None
        if self._output:
            self._output.close()

    def family(self) -> list[int]:
        """Return the pids of the processes below ``manage.py qcluster``, parents first."""
        return descendants(self.pid)

    def living(self, role: str) -> list[int]:
        """Return the pids of its living processes of one of ``ROLES``, oldest first; ``main`` and ``sentinel`` too."""
        family = self.family()
        if role in ("main", "sentinel"):  # each has the next one as its first child
            return [pid for pid in family[role == "sentinel" :][:1] if is_alive(pid)]
        named = [int(pid) for pid in re.findall(ROLES[role], self.log.read_text(errors="replace"))]
        return [pid for pid in dict.fromkeys(named) if pid in family and is_alive(pid)]

    def running(self) -> list[int]:
        """Return the pids of its workers that run a delivery just now, by the record."""
        owners = Delivery.objects.filter(state=State.RUNNING).values_list("owner", flat=True)
        pids = {process.pid for process in map(ProcessIdentity.parse, owners) if process}
        return [pid for pid in self.living("worker") if pid in pids]

    def cpu_seconds(self) -> float:
        """Return how long its living processes have computed."""
        return sum(cpu_seconds(pid) for pid in [self.pid, *self.family()])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self.stop()

    def _ready(self) -> int:
        """Return how many pushers have reported for work: the last process that a cluster starts."""
        return self.log.read_text(errors="replace").count("pushing tasks at") if self.log.exists() else 0


def descendants(pid: int) -> list[int]:
    """Return the pids of all living processes below one, parents first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        children = parents.get(todo.pop(0), [])
        found += children
        todo += children
    return found


def kill(*pids: int, number: int = signal.SIGKILL) -> int:
    """Send processes a signal, one right after the other; return how many of them there were."""
    sent = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent


def wait_for_death(pids: Iterable[int], *, seconds: float = PATIENCE) -> float:
    """Wait until none of these processes lives; return how many seconds that took."""
    began, family = time.monotonic(), list(pids)
    wait_until(lambda: not any(map(is_alive, family)), "the end of every process", seconds=seconds)
    return time.monotonic() - began


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def cpu_seconds(pid: int) -> float:
    """Return for how long a process has computed, in its own code and in the kernel's; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
