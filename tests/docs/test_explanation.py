"""What the explanation says of threads, in a real process and a real database."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from tests.cluster import wait_until
from tests.testapp.models import Thing

SCRIPT = """
import sys, threading, time
from pathlib import Path
from django.dispatch import Signal

def work():
    Path(sys.argv[1], "begun").touch()
    time.sleep(float(sys.argv[2]))
    Path(sys.argv[1], "done").touch()

def start_thread(**kwargs):
    threading.Thread(target=work).start()

signal = Signal()
signal.connect(start_thread)
signal.send(sender=None)
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_thread_dies_with_its_process(is_killed: bool, tmp_path: Path) -> None:
    """A process that ends by itself waits for it."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), "60" if is_killed else "0.2"])
    wait_until((tmp_path / "begun").exists, "the thread")
    if is_killed:
        process.kill()
    assert process.wait(30) == (-9 if is_killed else 0)
    assert (tmp_path / "done").exists() != is_killed


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_thread_does_not_see_the_senders_transaction() -> None:
    seen: list[int] = []

    def work() -> None:
        seen.append(Thing.objects.count())
        connection.close()

    def start_thread(**kwargs: object) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    saved = Signal()
    saved.connect(start_thread)
    with transaction.atomic():
        Thing.objects.create(name="an order")
        saved.send(sender=None)
        transaction.set_rollback(True)
    assert seen == [0]
