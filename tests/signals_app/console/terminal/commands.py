"""``manage.py deliveries``, in this process and in one of its own."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from signals_app import ledger
from tests.cluster import ROOT

MANAGE = [sys.executable, "manage.py", "deliveries"]


def told(*args: object) -> str:
    """Run a subcommand here and return what it prints."""
    out = io.StringIO()
    call_command("deliveries", *map(str, args), stdout=out)
    return out.getvalue().replace("\N{NO-BREAK SPACE}", " ")


def read(*args: object) -> Any:
    """Run a subcommand with ``--json`` and return what it says."""
    return json.loads(told(*args, "--json"))


def alive(*queues: str) -> None:
    """Let a cluster of each queue live."""
    for queue in queues:
        ledger.keep_stat(f"q:{queue}", "package", queue=queue, host="vm", seconds=60)


def user(name: str, *permissions: str) -> str:
    """Make a user who may do these; return the name."""
    made = User.objects.create_user(name)
    made.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return name


def environment(**more: str) -> dict[str, str]:
    """Return that of a process on the test database."""
    return {**os.environ, "TEST_RUN_DB": "1", "DJANGO_SETTINGS_MODULE": "tests.settings", "COLUMNS": "120", **more}


def piped(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a subcommand in a process of its own, between pipes."""
    return subprocess.run(
        [*MANAGE, *args], cwd=ROOT, env=environment(**more), input="", capture_output=True, text=True, timeout=60
    )


def at_a_terminal(*args: str, answer: str = "", out: IO[str] | None = None, **more: str) -> str:
    """Run a subcommand in a process that has a terminal, give it an answer, and return what was shown.

    ``out`` is where its standard output goes instead.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*MANAGE, *args], cwd=ROOT, env=environment(**more), stdin=theirs, stdout=out or theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        with suppress(OSError):  # that is how a terminal ends
            while part := os.read(ours, 4096):
                shown += part
        process.wait(60)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")
