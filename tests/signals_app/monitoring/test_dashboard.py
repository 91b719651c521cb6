"""The Grafana dashboard and the rules of alarms name what a real scrape of a real site has, and nothing else."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoDbBlocker

from signals_app import ledger
from signals_app.models import ClusterStat, Delivery, IdleQueue, Pause, PauseKind, Tally
from tests.browser.web import Web
from tests.cluster import ROOT, Cluster, wait_for_end
from tests.docs.markdown import table_cells
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db

MONITORING = ROOT / "docs" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana.json").read_text())
TOKEN = "a-token-of-the-tests"

_METRIC = re.compile(r"\b(signals_app_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")

Labels = dict[str, set[str]]  # of each sample's name


@pytest.fixture(scope="module")
def scraped(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """What a web server tells of work that a cluster has done; they share nothing but the database."""
    logs = tmp_path_factory.mktemp("logs")
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("TEST_SIGNALS_APP", json.dumps({"METRICS_TOKEN": TOKEN}))
        with Cluster(logs / "cluster") as cluster, Web(logs / "web") as web:
            wait_for_end([enqueue(receivers.kills_its_worker, times=1)])
            # what a worker that is killed has counted in its last second is lost with it
            work = [receivers.nothing] * 20 + [receivers.fails_once, receivers.gives_up]
            wait_for_end([enqueue(one) for one in work])
            cluster.stop()  # its workers write their last counts
            ledger.pause(PauseKind.QUEUE, "elsewhere")
            request = Request(f"{web.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
                text = answer.read().decode()
        yield text
        for model in (Delivery, Effect, Tally, Pause, ClusterStat, IdleQueue):
            model._default_manager.all().delete()


def labels_of(text: str) -> Labels:
    found: Labels = defaultdict(set)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Return each query of the dashboard and the legend of what it finds."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert query is not None
            yield f"sum by ({query[2]}) ({query[1]})", ""


def check(query: str, legend: str, known: Labels) -> set[str]:
    """Return the metrics of a query. Raises AssertionError where a scrape does not have one, or a label of it."""
    found = set()
    grouped = {name.strip() for names in _GROUPED.findall(query) for name in names.split(",")}
    for name, matchers in _METRIC.findall(query):
        assert name in known, f"{name} is not in a scrape: {query}"
        asked = set(_MATCHER.findall(matchers)) | grouped | set(_LEGEND.findall(legend))
        assert asked <= known[name], f"{name} has no label {asked - known[name]} in a scrape: {query}"
        found.add(family_of(name))
    assert found, f"There is no metric in {query}"
    return found


def family_of(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_a_real_scrape_has_every_name_and_label_of_the_dashboard_and_no_other(scraped: str) -> None:
    known = labels_of(scraped)
    used = set().union(*(check(query, legend, known) for query, legend in queries()))
    assert used == set(map(family_of, known))


def test_a_real_scrape_has_every_name_and_label_of_the_alarms(scraped: str) -> None:
    known = labels_of(scraped)
    alarms = re.findall(r"expr: (.*)\n(?:\s+for: .*\n)?\s+annotations: (.*)", (MONITORING / "alarms.yml").read_text())
    assert len(alarms) == 6
    for query, summary in alarms:
        check(query, re.sub(r"\$labels\.(\w+)", r"{{\1}}", summary), known)


def test_the_page_describes_every_metric_with_its_labels(scraped: str) -> None:
    rows = table_cells(ROOT / "docs" / "how-to" / "monitor.md", heading="Prometheus")
    described = {name: set(re.findall(r"`(\w+)`", cells[2])) for name, cells in rows.items()}
    found = {family_of(name): labels - {"le"} for name, labels in labels_of(scraped).items()}
    assert described == found


def test_the_counts_of_a_cluster_that_has_stopped_are_exact(scraped: str) -> None:
    values = {
        (sample.labels["receiver"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
        if sample.name == "signals_app_attempts_total"
    }
    assert values[receivers.nothing.key, "SUCCESSFUL"] == 20
    assert values[receivers.fails_once.key, "SUCCESSFUL"] == values[receivers.fails_once.key, "ERROR"] == 1
    assert values[receivers.gives_up.key, "ERROR"] == 1
    assert values[receivers.kills_its_worker.key, "LOST"] == values[receivers.kills_its_worker.key, "SUCCESSFUL"] == 1
    assert 'signals_app_lease_losses_total{cause="WorkerDied"' in scraped
