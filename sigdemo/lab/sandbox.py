"""What a process does that is started to be killed.

It obeys its standard input: "exit" ends it as ``os._exit`` does, and so does the end of whoever started it.
"""

import os
import sys
import threading
import time

from sigdemo.lab import requests
from sigdemo.lab.clock import Moment
from sigdemo.lab.models import LabLane
from signals_app.worker import loop

EXIT_STATUS = 3
ABANDONED = 4
IDLE = 0.02  # seconds between two looks of the worker at its queue


def answer_like_a_web_process(lane_id: int) -> None:
    """Do what the thread lane's request does, start the work in a thread and answer; then wait for the end."""
    lane = LabLane.objects.select_related("run").get(pk=lane_id)
    since = Moment.now()
    requests.begin(lane, since)
    requests.send(lane)
    requests.answered(lane, since)
    obey()


def drain_forever(queue: str) -> None:
    """Do what a worker of a cluster does, for one queue, until killed."""
    threading.Thread(target=obey, daemon=True, name="obey").start()
    while True:
        loop.drain(queue)
        time.sleep(IDLE)


def obey() -> None:
    """Wait for a word of whoever started this process, and end it without further ado."""
    word = sys.stdin.readline().strip()
    os._exit(EXIT_STATUS if word == "exit" else ABANDONED)
