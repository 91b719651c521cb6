"""Sleeping until somebody may have committed to a SQLite file: woken by Linux's inotify, or in short naps."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import select
import struct
import time
from collections.abc import Sequence
from pathlib import Path

NAP = 0.002  # seconds between two looks where nothing wakes us
# A write is heard of before it counts as a commit; how long before, the disk and the load decide. So looks follow it,
# closely at first, for this long; a commit that takes longer is found at the end of the wait. When one was found, that
# write's most likely, looks are few: another's may have been heard of along with it.
FIRST_NAP, SETTLED = 0.0002, 0.1  # seconds
CLOSELY, LOOSELY = 0.25, 3.0  # the next nap, in times since the write
MISSES = 3  # commits that were not heard of, after which inotify is taken to be deaf here

_MODIFIED, _MOVED_TO, _CREATED, _DELETED, _OVERFLOWED = 0x2, 0x80, 0x100, 0x200, 0x4000
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows: see inotify(7)
_MOST = 1024  # FD_SETSIZE; poll() would take more of them, and whole milliseconds only
_ROOM = 65_536  # bytes, for some thousand events


class Naps:
    """For files that are in memory, and systems without inotify."""

    def sleep(self, seconds: float, alarm: Sequence[int]) -> None:
        """Sleep until the next look, at most for so many seconds, or until one of the descriptors can be read."""
        select.select(alarm, [], [], min(NAP, seconds))

    def found(self) -> None:
        """Note that a commit was found."""

    def close(self) -> bool:
        """Stop listening; return whether it is worth to begin anew."""
        return False


class FileWatch(Naps):
    """Hears of the writes of this host's processes to a file and to its log.

    A few lines of ctypes: a package would wrap the same three calls.
    """

    _descriptor = -1
    _misses = 0

    def __init__(self, path: str) -> None:
        """Begin to listen. Raises OSError where the system or its limits do not allow it."""
        file = Path(path)
        self._names = {os.fsencode(file.name + ending) for ending in ("", "-wal", "-journal")}
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            raise OSError("This system has no inotify.")
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= _MOST:
            self.close()
            raise OSError(errno.EMFILE, "select() takes no descriptor as high as inotify's")
        # the directory's, for the log is removed when its last reader leaves, and made anew
        mask = _MODIFIED | _MOVED_TO | _CREATED | _DELETED
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, os.fsencode(file.parent), mask) < 0:
            error = ctypes.get_errno()
            self.close()
            raise OSError(error, f"{os.strerror(error)}: inotify")
        self._heard_at = -math.inf
        self._is_timed_out = False
        self._pace = CLOSELY

    def sleep(self, seconds: float, alarm: Sequence[int]) -> None:
        since = time.monotonic() - self._heard_at
        if self._misses >= MISSES:
            super().sleep(seconds, alarm)
            return
        self._is_timed_out = False
        if self.hears(min(max(FIRST_NAP, since * self._pace), seconds) if since < SETTLED else seconds, alarm):
            self._heard_at, self._pace = time.monotonic(), CLOSELY
        else:
            self._is_timed_out = since >= SETTLED

    def found(self) -> None:
        if self._is_timed_out and not self.hears(0):
            self._misses += 1
        self._is_timed_out, self._pace = False, LOOSELY

    def hears(self, seconds: float, alarm: Sequence[int] = ()) -> bool:
        """Wait for a write or for the alarm, and tell whether there is a write, or was one since the last call."""
        end = time.monotonic() + seconds
        while found := select.select([self._descriptor, *alarm], [], [], max(end - time.monotonic(), 0))[0]:
            if self._descriptor not in found:
                return False
            if self._is_ours(os.read(self._descriptor, _ROOM)):
                return True
        return False

    def close(self) -> bool:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return self._misses < MISSES

    def __del__(self) -> None:
        self.close()

    def _is_ours(self, events: bytes) -> bool:
        """Tell whether one of these is of our file, and not of another in its directory."""
        at, is_ours = 0, False
        while at < len(events):
            _, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            name = events[at - length : at].rstrip(b"\0")
            is_ours = is_ours or name in self._names or bool(mask & _OVERFLOWED)
        return is_ours


def watch(path: str) -> Naps:
    """Return what sleeps best beside a file; ``path`` is empty for one in memory."""
    try:
        return FileWatch(path) if path else Naps()
    except OSError:
        return Naps()
