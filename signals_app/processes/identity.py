"""The identity of a process, precise enough to tell later, on the same host, whether it is still alive."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PID = re.compile("[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process on a host. ``boot`` tells reboots and containers apart, ``started`` tells a recycled pid."""

    host: str
    boot: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, owner: str) -> ProcessIdentity | None:
        """Read what ``str()`` wrote, or return None for any other text."""
        parts = owner.split("/")
        if len(parts) != 4 or not PID.fullmatch(parts[2]):
            return None  # a pid beyond the kernel's would be an error wherever it is used
        return cls(host=parts[0], boot=parts[1], pid=int(parts[2]), started=parts[3])


def current_process() -> ProcessIdentity:
    return _identity(os.getpid())


def is_dead(owner: str) -> bool:
    """Tell whether the process that wrote this owner ran on this host and has ended; False when that is not known."""
    process = _of_this_host(owner)
    return process is not None and _started(process.pid) != process.started and not _is_hidden(process.pid)


def pid_here(owner: str) -> int | None:
    """Return the pid of the process that wrote this owner; None where it ran on another host."""
    process = _of_this_host(owner)
    return process.pid if process else None


def group_of(pid: int) -> int | None:
    """Return the process group of a living process, or None when it has ended."""
    fields = _stat(pid)
    return int(fields[2]) if fields else None


def _of_this_host(owner: str) -> ProcessIdentity | None:
    process, here = ProcessIdentity.parse(owner), current_process()
    if process is None or not process.boot or (process.host, process.boot) != (here.host, here.boot):
        return None
    return process


@lru_cache(maxsize=1)  # a fork changes the pid, and with it the key
def _identity(pid: int) -> ProcessIdentity:
    return ProcessIdentity(host=socket.gethostname()[:100], boot=_boot(), pid=pid, started=_started(pid))


def _boot() -> str:
    """Return this boot and pid namespace, or "" where the system does not tell (then only leases decide)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start time of a living process in clock ticks since boot; "" when there is none."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def _stat(pid: int) -> list[str]:
    """Return what the kernel says of a living process, from its state on; nothing for a zombie, or none at all."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return [] if fields[0] in "ZX" else fields


def _is_hidden(pid: int) -> bool:
    """Tell whether a process is alive and hidden from us: another user's, where /proc hides those (hidepid)."""
    if os.access(f"/proc/{pid}/stat", os.R_OK):
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def resident_bytes(host: str, pid: int) -> int | None:
    """Return the memory that a process of this host holds; None where it is elsewhere or the system does not tell."""
    if host != socket.gethostname():
        return None
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
