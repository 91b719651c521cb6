"""A password that is changed while a cluster runs: no process of it can learn the new one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


@pytest.fixture
def asking_server(own_server: Server) -> Iterator[Server]:
    """A server with a role, shop, that has to say a password."""
    rules = own_server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all shop 127.0.0.1/32 scram-sha-256\n{before}")
    own_server.execute("CREATE ROLE shop LOGIN SUPERUSER PASSWORD 'old'")
    own_server.execute("SELECT pg_reload_conf()")
    yield own_server
    own_server.execute("DROP ROLE shop")
    rules.write_text(before)
    own_server.execute("SELECT pg_reload_conf()")


@pytest.mark.fault(8, "the database's password changed")
def test_a_cluster_whose_password_is_old_ends_so_that_its_manager_starts_it_with_the_new_one(
    asking_server: Server, tmp_path: Path, record_property: Any
) -> None:
    settings = {"TEST_SIGNALS_APP": '{"STALL": 3}'}
    old = Cluster(tmp_path / "log", DATABASE_URL=url(asking_server, "old"), **settings).start()
    wait_for_end([enqueue(effect) for _ in range(20)])
    asking_server.execute("ALTER ROLE shop PASSWORD 'new'")
    asking_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'")
    deliveries = [enqueue(effect) for _ in range(20)]
    wait_until(lambda: old.status() is not None, "the end of the cluster", seconds=60)
    assert old.status() == 77, old.log.read_text()
    assert "has been refused by the database for" in old.log.read_text()
    assert "The database refuses the logins of" in old.log.read_text()
    old.kill()
    with Cluster(tmp_path / "log", DATABASE_URL=url(asking_server, "new"), **settings):
        wait_for_end(deliveries)
    assert not Delivery.objects.exclude(state__in=FINAL_STATES).exists()


def url(server: Server, password: str) -> str:
    return f"postgres://shop:{password}@{server.host}:{server.port}/postgres"
