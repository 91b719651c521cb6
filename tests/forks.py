"""A process of its own for a step of a test, made by a fork: it may die where the test's own may not."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from django.db import connections

_parents: list[Any] = []  # its connections: as long as they are kept here, nothing says good-bye to their server


def in_child(step: Callable[[], object]) -> int:
    """Run a step in a fork of this process; return its exit status, negative where a signal ended it."""
    for db in connections.all(initialized_only=True):
        if db.vendor == "sqlite":
            db.close()  # a file must not be open in two processes by one connection, used or not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a heartbeat's thread sleeps here, and holds no lock
        pid = os.fork()
    if not pid:
        _be_child(step)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _be_child(step: Callable[[], object]) -> None:
    status = 1
    try:
        for db in connections.all(initialized_only=True):
            _parents.append(db.connection)
            db.connection = None
        step()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
