"""Measure one queue, in a process of its own: ``python -m tests.bench.peers.measure``; it prints JSON."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from tests.bench.peers.peers import PEERS

PATIENCE = 60.0  # seconds for a queue to do what it ought to
GAPS = (0.25, 0.75)  # seconds between two sends to idle workers
HZ = os.sysconf("SC_CLK_TCK")


class Journal:
    """What the receivers have noted so far."""

    def __init__(self, path: Path) -> None:
        self._file = path.open()
        self.notes: list[tuple[int, int, float]] = []  # key of the order, process, time

    def read(self) -> list[tuple[int, int, float]]:
        """Return what is new."""
        new = []
        for line in self._file:
            pk, pid, moment = line.split()
            new.append((int(pk), int(pid), float(moment)))
        self.notes += new
        return new

    def await_(self, count: int, *, seconds: float) -> bool:
        """Wait until there are so many notes."""
        deadline = time.monotonic() + seconds
        while self.read() is not None and len(self.notes) < count:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def family(*roots: int) -> Iterator[int]:
    """Return processes and all below them."""
    for pid in roots:
        yield pid
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                yield from family(*map(int, (thread / "children").read_text().split()))


def cpu(pids: list[int]) -> float:
    """Return the processor time of processes, and of the children that they have waited for, in seconds."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / HZ


def memory(pids: list[int]) -> float:
    """Return what processes take together in MB, what they share counted once."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return total


@contextmanager
def workers(commands: list[list[str]]) -> Iterator[list[int]]:
    """Start workers; end them and what they started."""
    with ExitStack() as stack:
        log = stack.enter_context(Path(os.environ["PEER_LOG"]).open("ab"))
        running = [
            subprocess.Popen([sys.executable, "-m", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for words in commands
        ]
        try:
            yield [process.pid for process in running]
        finally:
            for pid in [*family(*(process.pid for process in running))][::-1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in running:
                process.wait()


def main(sends: int, drained: int, asked: int, idle: float, rerun: float) -> dict[str, Any]:
    """Return all figures; ``rerun`` is for how many seconds work of a killed worker may wait to be run again."""
    django.setup()
    peer = PEERS[os.environ["PEER"]]
    from django.core.management import call_command

    from tests.bench.peers.models import Order

    call_command("migrate", run_syncdb=True, verbosity=0, stdout=sys.stderr)
    send = import_module(f"tests.bench.peers.sides.{peer.side}").send
    journal = Journal(Path(os.environ["PEER_JOURNAL"]))
    order = {"customer": "Ada", "email": "ada@example.org", "address": "12 Main Street\nSpringfield", "total": "19.90"}

    orders = [Order.objects.create(**order) for _ in range(drained)]
    seconds = []
    for one in orders:
        began = time.perf_counter()
        send(one)
        seconds.append(time.perf_counter() - began)
    figures: dict[str, Any] = {"send": statistics.median(seconds[:sends])}

    with workers(peer.workers) as pids:
        if not journal.await_(1, seconds=PATIENCE) or not journal.await_(drained, seconds=PATIENCE):
            figures["left"] = drained - len(journal.notes)  # the rate is that of what was done
        moments = sorted(moment for _, _, moment in journal.notes)
        figures["drain"] = (len(moments) - 1) / (moments[-1] - moments[0])
        journal.await_(drained, seconds=rerun)

        latencies = []
        time.sleep(2)
        for _ in range(asked):
            time.sleep(random.uniform(*GAPS))
            one = Order.objects.create(**order)
            began = time.monotonic()
            send(one)
            assert journal.await_(len(journal.notes) + 1, seconds=PATIENCE), "Idle workers ran nothing."
            latencies.append(journal.notes[-1][2] - began)
        latencies.sort()
        figures |= {"p50": statistics.median(latencies), "p95": latencies[round(0.95 * (asked - 1))]}

        time.sleep(2)
        tree = [*family(*pids)]
        before, began = cpu(tree), time.monotonic()
        time.sleep(idle)
        figures |= {"idle": (cpu(tree) - before) / (time.monotonic() - began), "memory": memory(tree)}

        one = Order.objects.create(**order, seconds=3)
        send(one)
        assert journal.await_(len(journal.notes) + 1, seconds=PATIENCE), "Idle workers ran nothing."
        time.sleep(1)
        os.kill(journal.notes[-1][1], signal.SIGKILL)
        killed, count = time.monotonic(), len(journal.notes)
        again = journal.await_(count + 1, seconds=rerun) and journal.notes[-1][0] == one.pk
        figures["again"] = journal.notes[-1][2] - killed if again else None
    return figures


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
