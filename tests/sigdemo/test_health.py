"""The demo as it is, its own settings and receivers, to those who watch it."""

import json
import os
import subprocess
import sys

import pytest
from django.db import connections

from signals_app import ledger
from tests.cluster import ROOT

ASK = """
import sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from django.core.management import call_command
from django.test import Client
answer = Client().get("/health/", HTTP_HOST="localhost")
print(answer.content.decode())
call_command("deliveries", "check")
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_the_demo_is_well_with_the_cluster_of_its_main_queue_alone() -> None:
    ledger.keep_stat("sigdemo:1", "signed", queue="sigdemo", host="vm", seconds=60)
    command = [sys.executable, "-c", ASK, str(connections["default"].settings_dict["NAME"])]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "sigdemo.settings"}
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    health, check = ended.stdout.splitlines()
    queues = {name: {"clusters": count, "oldest_wait": 0.0} for name, count in (("lab-crash", 0), ("sigdemo", 1))}
    assert json.loads(health) == {"status": "ok", "problems": [], "database": True, "queues": queues}
    assert check.startswith("All is well: ")
