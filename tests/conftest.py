"""What every test relies on."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from signals_app.models import ClusterStat, IdleQueue
from tests.cluster import Cluster

pytest_plugins = ["tests.nothing_skipped"]


@pytest.fixture(scope="module")
def cluster(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster on the test database, for the tests of one module; they need ``transactional_db``."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "log") as running:
        yield running
    with django_db_blocker.unblock():  # its last words come after the last test's clean-up
        ClusterStat.objects.all().delete()
        IdleQueue.objects.all().delete()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the databases' names alone: each process of a run has its own, and the clusters it starts know them."""
