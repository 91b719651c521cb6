"""Telling processes apart, and the living from the dead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from signals_app.models import Delivery
from signals_app.processes import identity
from signals_app.processes.identity import ProcessIdentity, current_process, group_of, is_dead, pid_here
from tests.cluster import wait_until
from tests.forks import in_child

PRINT_OWNER = (
    "from signals_app.processes.identity import current_process; print(current_process(), flush=True); input()"
)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that says who it is and waits for a line."""
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def owner_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_an_identity_is_read_from_what_it_wrote() -> None:
    here = current_process()
    assert (here.host, here.pid) == (socket.gethostname()[:100], os.getpid())
    assert ProcessIdentity.parse(str(here)) == here
    assert len(str(here)) <= (Delivery._meta.get_field("owner").max_length or 0)


@pytest.mark.parametrize("owner", ["", "me", "host/boot/pid/12", "host/boot/12", "host/boot/-1/5", "a/b/1/c/d"])
def test_any_other_text_is_nobody(owner: str) -> None:
    assert (ProcessIdentity.parse(owner), pid_here(owner), is_dead(owner)) == (None, None, False)


def test_a_living_process_has_a_group_and_one_that_ended_has_none(child: subprocess.Popen[str]) -> None:
    assert group_of(child.pid) == os.getpgrp()
    child.kill()
    wait_until(lambda: group_of(child.pid) is None, "the death of a zombie")
    assert group_of(2**22 + 1) is None


def test_another_process_is_alive_until_it_ends(child: subprocess.Popen[str]) -> None:
    owner = owner_of(child)
    assert ProcessIdentity.parse(owner) == replace(current_process(), pid=child.pid, started=owner.rpartition("/")[2])
    assert not is_dead(owner)
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: is_dead(owner), "the death of a zombie")
    assert child.returncode is None, "before its parent has noticed"


def test_a_living_process_is_not_taken_for_dead_where_it_is_hidden(child: subprocess.Popen[str]) -> None:
    if os.getuid():
        pytest.skip("The processes of others cannot be hidden here: that takes root.")
    code = (
        "import os, sys\nfrom signals_app.processes.identity import is_dead\n"
        "os.setresuid(65534, 65534, 65534)\nprint(is_dead(sys.argv[1]))"
    )
    hide = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    ask = ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-c", code, owner_of(child)]

    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout == "False\n"

    child.communicate("go\n")

    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout == "True\n"


def test_a_recycled_pid_is_not_taken_for_the_dead_one() -> None:
    here = current_process()
    assert not is_dead(str(here))
    assert is_dead(str(replace(here, started=f"{int(here.started) - 1}")))


def test_nothing_is_known_of_other_hosts_and_boots() -> None:
    here, nobody = current_process(), replace(current_process(), pid=2**22 + 1, started="1")
    assert is_dead(str(nobody))
    assert pid_here(str(here)) == os.getpid()
    changes: list[Any] = [{"host": "another"}, {"boot": "another"}, {"boot": ""}]
    for elsewhere in changes:
        assert not is_dead(str(replace(nobody, **elsewhere)))
        assert pid_here(str(replace(here, **elsewhere))) is None


def test_where_the_system_tells_no_boot_only_leases_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_boot", lambda: "")
    identity._identity.cache_clear()
    try:
        assert current_process().boot == ""
        assert not is_dead(str(replace(current_process(), pid=2**22 + 1, started="1")))
    finally:
        identity._identity.cache_clear()


def test_a_fork_has_an_identity_of_its_own() -> None:
    mine = current_process()
    assert in_child(lambda: os._exit(7 if current_process().pid == os.getpid() != mine.pid else 1)) == 7
