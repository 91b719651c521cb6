"""What every test relies on."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster

pytest_plugins = ["tests.nothing_skipped"]


@pytest.fixture(scope="module")
def cluster(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster on the test database, for the tests of one module; they need ``transactional_db``."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "log") as running:
        yield running
