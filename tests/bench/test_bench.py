"""The benchmark works: every figure is there and can be what it says. How fast things are is no test's business."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from tests.bench import databases
from tests.bench.contenders import CONTENDERS, Q_CLUSTERS, ROOT, WORKERS
from tests.bench.figures import QUICK

FASTEST, SLOWEST = 0.001, 60_000.0  # milliseconds


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A quick run: what it printed, and its JSON."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--json", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def is_sane(spread: dict[str, float]) -> bool:
    return spread["count"] > 0 and FASTEST < spread["p50"] <= spread["p95"] < SLOWEST


def test_every_figure_is_measured_on_every_database_there_is(run: tuple[str, dict[str, Any]]) -> None:
    printed, found = run
    assert list(found["databases"]) == databases.available()
    for vendor, figures in found["databases"].items():
        assert f"== {vendor} =" in printed
        assert list(figures["results"]) == ["kept"]
        assert list(figures["results"]["kept"]) == list(CONTENDERS)
        for contender, result in figures["results"]["kept"].items():
            assert is_sane(result["send"]), (vendor, contender)
            assert is_sane(result["send_in_transaction"]), (vendor, contender)
            if contender != "django_q":  # a quick run starts no cluster of it
                check_cluster(contender, result)
        assert len(figures["many_sends"]) == 3
        assert all(is_sane(spread) for spread in figures["many_sends"].values())
        assert len(figures["claims"]) == 5
        assert all(is_sane(spread) for case in figures["claims"].values() for spread in case.values())


def check_cluster(contender: str, result: dict[str, Any]) -> None:
    [rate], [run] = result["rates"], result["runs"]
    assert 0 < rate < 1_000_000
    assert is_sane(result["latency"])
    roles = [memory["role"] for memory in result["memory"]]
    assert {*roles} - {"supervisor"} == {"main", "sentinel", "worker", "monitor", "pusher"}
    assert ("supervisor" in roles) == (contender == "signals_app")
    assert roles.count("worker") >= WORKERS
    assert all(5 < memory["peak"] < 1_000 for memory in result["memory"])
    if contender == "signals_app":
        assert run["records"] + run["left"] >= QUICK.queue, "what is finished is on record"


def test_targets_are_ratios_of_the_run(run: tuple[str, dict[str, Any]]) -> None:
    printed, found = run
    assert len(found["targets"]) == 10 * len(found["databases"])
    assert all(math.isfinite(aim["measured"]) for aim in found["targets"])
    results = found["databases"]["sqlite"]["results"]["kept"]
    ratio = results["signals_app"]["send"]["p50"] / results["django_q_tuned"]["send"]["p50"]
    assert found["targets"][0]["measured"] == pytest.approx(ratio)
    assert sum(line.startswith(("met ", "MISSED ")) for line in printed.splitlines()) == 7 * len(found["databases"])


PLACE = ("name", "orm", "workers", "ALT_CLUSTERS")  # where and beside whom, not how


def test_the_cluster_that_is_measured_is_the_sites() -> None:
    expected = {key: value for key, value in settings.Q_CLUSTER.items() if key not in PLACE}
    assert expected == Q_CLUSTERS["signals_app"]
