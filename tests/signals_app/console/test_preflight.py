"""``deliveries preflight``: what an older version of an app wrote, read by a newer one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from signals_app.console.preflight import BATCH, preflight
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.projects import Project
from tests.testapp import receivers
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

SETTINGS = """
INSTALLED_APPS += ["bakery"]
SIGNALS_APP = {"CONTEXT": "bakery.context.Tenant"}
"""
OLD = {
    "models.py": """
from django.db import models
class Oven(models.Model):
    name = models.CharField(max_length=9)
class Loaf(models.Model):
    name = models.CharField(max_length=9)
""",
    "context.py": """
from contextlib import nullcontext
class Tenant:
    def capture(self): return "north"
    def restore(self, value): return nullcontext()
""",
    "values.py": """
from dataclasses import dataclass
from enum import Enum
class Size(Enum):
    SMALL = 1
    LARGE = 2
@dataclass
class Line:
    loaf: object
    size: Size
class Shop: pass
""",
    "signals.py": "from django.dispatch import Signal\nbaked, burnt = Signal(), Signal()\n",
    "receivers.py": """
from signals_app.dispatcher import queued_receiver
from bakery.signals import baked, burnt
@queued_receiver(baked)
def counts(sender, lines=(), **kwargs): pass
@queued_receiver(baked)
def thanks(sender, **kwargs): pass
@queued_receiver(baked)
def heats(sender, **kwargs): pass
@queued_receiver(baked, snapshot=("loaf",))
def prints(sender, **kwargs): pass
@queued_receiver(baked)
def leaves(sender, **kwargs): pass
@queued_receiver(baked)
def bills(sender, **kwargs): pass
@queued_receiver(burnt)
def mourns(sender, **kwargs): pass
""",
}
SENDS = """
from bakery import receivers
from bakery.models import Loaf, Oven
from bakery.signals import baked, burnt
from bakery.values import Line, Shop, Size
loaf, oven = Loaf.objects.create(name="rye"), Oven.objects.create(name="big")
for number in range(7):
    receivers.counts(signal=baked, sender=None, lines=[Line(loaf, Size.SMALL)] * number + [Line(loaf, Size.LARGE)])
receivers.counts(signal=baked, sender=None, lines=[Line(loaf, Size.SMALL)])
receivers.thanks(signal=baked, sender=Shop)
receivers.heats(signal=baked, sender=None, oven=oven)
receivers.heats(signal=baked, sender=None, loaf=loaf)
receivers.prints(signal=baked, sender=None, loaf=loaf)
receivers.leaves(signal=baked, sender=None)
receivers.bills(signal=baked, sender=None, price=1)
receivers.mourns(signal=burnt, sender=None)
Loaf.objects.all().delete()
"""
CHANGES = [
    ("values.py", "    LARGE = 2", "    HUGE = 2"),
    ("values.py", "class Shop: pass", ""),
    ("models.py", "class Oven(models.Model):\n    name = models.CharField(max_length=9)", ""),
    ("models.py", "    name = models", "    title = models"),
    ("receivers.py", "def leaves", "def goes"),
    ("receivers.py", "def bills(sender,", "def bills(sender, amount,"),
    ("signals.py", "burnt", "spoilt"),
    ("receivers.py", "burnt", "spoilt"),
]


@pytest.fixture
def bakery(tmp_path: Path) -> Project:
    """A project with a queue that the code of before wrote."""
    project = Project(tmp_path, SETTINGS)
    for name, text in OLD.items():
        project.write(f"bakery/{name}", text)
    project.manage("makemigrations bakery")
    project.manage("migrate")
    project.shell(SENDS)
    return project


def test_code_that_has_not_changed_fits(bakery: Project) -> None:
    ran = bakery.run("-m", "django", "deliveries", "preflight")
    assert (ran.returncode, ran.stdout) == (0, "This code can run what waits: 15 waiting deliveries.\n"), ran.stderr


def test_each_kind_of_break_is_found_at_its_place(bakery: Project) -> None:
    for name, old, new in CHANGES:
        text = (bakery.directory / "bakery" / name).read_text()
        assert old in text
        bakery.write(f"bakery/{name}", text.replace(old, new))

    ran = bakery.run("-m", "django", "deliveries", "preflight", "--json")
    told = json.loads(ran.stdout)

    assert (ran.returncode, told["ok"], told["checked"]) == (1, False, 15)
    found = {one["receiver"].rpartition(".")[2]: (one["path"], one["ids"], one["problem"]) for one in told["breaks"]}
    place = "in the module 'bakery.values'. Was it renamed or moved since the signal was sent?"
    changed = "change since the signal was sent?"
    assert found == {
        "counts": (
            *("lines[0].size", [1, 2, 3, 4, 5]),
            f"names no member of the enumeration bakery.values:Size: 'LARGE'. Did the class {changed}",
        ),
        "thanks": ("sender", [9], f"names a class that is not here: There is no class 'Shop' {place}"),
        "heats": ("oven", [10], "names a model that is not here: App 'bakery' doesn't have a 'Oven' model."),
        "prints": ("loaf", [12], f"gives name and not title of bakery.Loaf. Did the model {changed}"),
        "leaves": ("receiver", [13], "No receiver here has this key. Keep the old one, or reassign the deliveries."),
        "bills": (
            *("amount", [14]),
            "The parameter has no default value, and the delivery has no such argument. It has: price.",
        ),
        "mourns": ("signal", [15], "There is no signal bakery.signals.burnt, and the receiver gets None for it."),
    }
    assert told["breaks"][0]["count"] == 7

    ran = bakery.run("-m", "django", "deliveries", "preflight")
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("7 of bakery.receivers.counts (#1, #2, #3, #4, #5 ...): lines[0].size: names no member")
    assert (ran.returncode, lines[-1]) == (1, "Of 15 waiting deliveries this code cannot run 13.")


@pytest.mark.django_db
@pytest.mark.database
def test_what_waits_and_runs_is_checked_without_a_query_for_each_or_any_code_of_the_project() -> None:
    thing = Thing.objects.create(name="loaf")
    for number in range(BATCH):
        enqueue(receivers.work, thing=thing, things={thing: [number]})
    for state in (State.READY, State.RUNNING, State.FAILED):
        delivery(state, receiver="gone.receiver")
    with CaptureQueriesContext(connection) as queries:
        checked, breaks = preflight()
    assert (checked, [(one.receiver, one.count) for one in breaks]) == (BATCH + 2, [("gone.receiver", 2)])
    assert len(queries) == 4  # the ids of each state, and two batches
    assert not Effect.objects.exists()


@pytest.mark.django_db
def test_a_row_that_cannot_be_read_and_a_context_that_is_not_set_are_breaks() -> None:
    unread = enqueue(receivers.work)
    Delivery.objects.filter(pk=unread.pk).update(payload="{")
    lost = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=lost.pk).update(context='"north"')
    _checked, breaks = preflight()
    assert [(one.path, one.ids) for one in breaks] == [("context", [lost.pk]), ("payload", [unread.pk])]
    assert breaks[1].problem.startswith("The payload is no JSON")
