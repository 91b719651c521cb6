"""What the explanation says of threads, looked at in a real process and a real database."""

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


def start(directory: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Send, in a process of its own, a signal whose receiver starts a thread; return when the thread has begun."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(directory), str(seconds)])
    wait_until((directory / "begun").exists, "the thread")
    return process


def test_a_thread_dies_with_its_process(tmp_path: Path) -> None:
    process = start(tmp_path, seconds=60)
    process.kill()
    process.wait()
    assert not (tmp_path / "done").exists()


def test_a_process_that_ends_by_itself_waits_for_its_thread(tmp_path: Path) -> None:
    process = start(tmp_path, seconds=0.2)
    assert process.wait(30) == 0
    assert (tmp_path / "done").exists()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_thread_does_not_see_the_senders_transaction() -> None:
    saved = Signal()
    seen: list[int] = []

    def look(**kwargs: object) -> None:
        def work() -> None:
            try:
                seen.append(Thing.objects.count())
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    class Undone(Exception):
        """Rolls a block back."""

    def place() -> None:
        with transaction.atomic():
            Thing.objects.create(name="an order")
            saved.send(sender=None)
            raise Undone

    saved.connect(look)
    with pytest.raises(Undone):
        place()
    assert seen == [0]
