"""The processes of a cluster, by what they do in it, as its log and the record name them."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from signals_app.models import Delivery, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, is_alive

ROLES = {
    "worker": r"ready for work at (\d+)",
    "monitor": r"monitoring at (\d+)",
    "pusher": r"pushing tasks at (\d+)",
}


def living(cluster: Cluster, role: str) -> list[int]:
    """Return the pids of a cluster's living processes of one role, oldest first; ``main`` and ``sentinel`` too."""
    family = cluster.family()
    if role in ("main", "sentinel"):  # each has the next one as its first child
        return [pid for pid in family[role == "sentinel" :][:1] if is_alive(pid)]
    named = [int(pid) for pid in re.findall(ROLES[role], cluster.log.read_text(errors="replace"))]
    return [pid for pid in dict.fromkeys(named) if pid in family and is_alive(pid)]


def running(cluster: Cluster) -> list[int]:
    """Return the pids of the workers that run a delivery just now, by the record."""
    owners = Delivery.objects.filter(state=State.RUNNING).values_list("owner", flat=True)
    pids = {process.pid for process in map(ProcessIdentity.parse, owners) if process}
    return [pid for pid in living(cluster, "worker") if pid in pids]


def reads_the_queue(pid: int) -> bool:
    """Tell whether a process waits in the queue's pipe, and so holds its read lock; the others wait for the lock."""
    try:
        return "pipe_read" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False


def kill(*pids: int, number: signal.Signals = signal.SIGKILL) -> int:
    """Send processes a signal, one right after the other; return how many of them there were."""
    sent = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent
