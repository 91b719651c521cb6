"""``manage.py lab`` runs the lanes in a terminal."""

import io
import json
import os

import pytest
from django.core.management import CommandError, call_command

from sigdemo.lab.models import LabRun
from tests.cluster import Cluster


def lab(*arguments: str) -> str:
    out = io.StringIO()
    call_command("lab", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_it_prints_the_verdict_and_every_attempt() -> None:
    out = lab("--way", "inline", "--seconds", "0.2", "--fan-out", "2").splitlines()
    assert out[0].startswith("Inline call: you waited 4")
    figures = [line for line in out if line.startswith(("Inline call 1.1", "Inline call 2.1"))]
    assert len(figures) == 2
    assert all(str(os.getpid()) in line and line.endswith("done") for line in figures)


def test_it_waits_for_the_queue(cluster: Cluster, transactional_db: None) -> None:
    facts = json.loads(lab("--way", "queued", "--way", "thread", "--seconds", "0.3", "--json"))
    thread, queued = facts["lanes"]
    assert (thread["way"], queued["way"]) == ("thread", "queued")
    assert thread["works"][0]["pid"] == os.getpid()
    assert queued["works"][0]["pid"] in cluster.family()
    assert queued["works"][0]["worked"] >= 0.3
    assert queued["over"]


@pytest.mark.django_db
def test_without_a_cluster_it_says_how_to_start_one() -> None:
    with pytest.raises(CommandError, match=r"is not over after 0\.1 s each: queued\..*python manage\.py qcluster"):
        lab("--way", "queued", "--timeout", "0.1")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((("--seconds", seconds), "Enter a duration from 0.1 to 5 seconds.") for seconds in ("9", "nan")),
        (("--fan-out", "9"), "Enter a whole number of receivers from 1 to 8."),
        (("--timeout", "-1"), "--timeout must be a number of seconds, 0 or more."),
    ],
)
def test_it_refuses_what_the_form_refuses(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError) as refused:
        lab(*arguments)
    assert str(refused.value) == message
    assert not LabRun.objects.exists()
