"""Processes that are forked one from another, as those of a cluster are, hang together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from signals_app.cluster import workarounds
from tests.cluster import ROOT, is_alive, wait_until

# main forks a sentinel, that a worker, that a child of a receiver's own, which starts a program
TREE = """
import json, os, signal, subprocess, sys, time
from multiprocessing import popen_fork
import django
django.setup()
from signals_app.cluster import workarounds
from signals_app.processes import tree

def tell(name):
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps([name, os.getpid(), popen_fork.Popen.terminate is popen_fork.Popen.kill]) + "\\n")

tree.begin()
tell("main")
if not os.fork():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Django-Q does
    workarounds.ignore_sigterm()
    tell("sentinel")
    if not os.fork():
        tell("worker")
        if not os.fork():
            program = subprocess.Popen(["sleep", "60"])
            with open(sys.argv[1], "a") as file:
                file.write(json.dumps(["program", program.pid, False]) + "\\n")
            tell("child")
            program.wait()
while True:
    time.sleep(0.1)
"""
NAMES = ["main", "sentinel", "worker", "program", "child"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[dict[str, int]]:
    """The pids of such a tree's processes, by name."""
    told = tmp_path / "told"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    main = subprocess.Popen([sys.executable, "-c", TREE, str(told)], cwd=ROOT, env=environment, start_new_session=True)
    wait_until(lambda: told.exists() and told.read_text().count("\n") == len(NAMES), "the tree")
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [name for name, _, ends_hard in lines if ends_hard] == ["sentinel"]
    yield {name: pid for name, pid, _ in lines}
    with suppress(ProcessLookupError):
        os.killpg(main.pid, signal.SIGKILL)
    main.wait()


def test_what_a_receiver_forks_may_outlive_its_worker(processes: dict[str, int]) -> None:
    os.kill(processes["worker"], signal.SIGKILL)
    wait_until(lambda: not is_alive(processes["worker"]), "the end of the worker")
    assert is_alive(processes["child"])
    assert is_alive(processes["sentinel"])


def test_a_sigterm_to_all_ends_only_main_and_what_receivers_started(processes: dict[str, int]) -> None:
    for name in ("sentinel", "worker", "child"):
        os.kill(processes[name], signal.SIGTERM)
    wait_until(lambda: not is_alive(processes["child"]), "the end of the child")
    os.kill(processes["program"], signal.SIGTERM)
    wait_until(lambda: not is_alive(processes["program"]), "the end of the program")
    assert is_alive(processes["sentinel"])
    assert is_alive(processes["worker"])


def test_outside_of_a_sentinel_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    workarounds.ignore_sigterm()
    assert signal.getsignal(signal.SIGTERM) is before
