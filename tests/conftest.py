"""What every test relies on."""

import os
import signal
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from signals_app.models import ClusterStat, IdleQueue
from tests.cluster import Cluster, wait_for_death

pytest_plugins = ["tests.nothing_skipped"]

# In the background of a script it is ignored, and so it would be by the servers that tests start and stop by Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for another database than this run's; first come the files that start other processes.

    They take longest, and one that came last would be waited for by the other processes of a run.
    """
    vendor = "postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"
    left_out = [item for item in items if vendor not in _databases(item, vendor)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if vendor in _databases(item, vendor)]
    items.sort(key=_starts_no_process)


def _databases(item: pytest.Item, default: str) -> tuple[str, ...]:
    """Return what ``pytest.mark.database("postgresql")`` names; a test that names none is for every database."""
    return tuple(name for mark in item.iter_markers("database") for name in mark.args) or (default,)


def _starts_no_process(item: pytest.Item) -> bool:
    """Tell by what its module imports; all tests of a file stay together."""
    module = getattr(item, "module", None)
    return not {"Browser", "Cluster", "Fault", "Project", "Reader", "Visitor", "subprocess"} & vars(module).keys()


@pytest.fixture(scope="module")
def cluster(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """A cluster on the test database for the tests of one module, in the environment that its ``CLUSTER`` names.

    They need ``transactional_db``; nothing is left of it.
    """
    log = tmp_path_factory.mktemp("cluster") / "log"
    with Cluster(log, **getattr(request.module, "CLUSTER", {})) as running:
        yield running
        family = running.family()
    wait_for_death(family)
    with django_db_blocker.unblock():  # its last words come after the last test's clean-up
        ClusterStat.objects.all().delete()
        IdleQueue.objects.all().delete()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the databases' names alone: each process of a run has its own, and the clusters it starts know them."""
