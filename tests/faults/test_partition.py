"""One of two hosts loses the network in the middle of its work: the other one does it, and the first comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import gates, network
from tests.faults.conftest import FULL, Holds, size
from tests.faults.network import Host, Switch
from tests.faults.receivers.commits import bare_effect, locks_its_delivery
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]

# at full size the defaults of the app, of the site and of docs/how-to/postgresql.md, which take half a minute
OPTIONS = "" if FULL else "?connect_timeout=2&keepalives_idle=1&keepalives_interval=1&tcp_user_timeout=2000"
SETTINGS = {} if FULL else {"TEST_SIGNALS_APP": json.dumps({"LEASE": 4, "HEARTBEAT": 1})}
ROLE = {
    "tcp_keepalives_idle": size(1, 10),
    "tcp_keepalives_interval": size(1, 5),
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": f"{size(3, 30)}s",
}
LEASE, NOTICED = size(4, 30), size(4, 30)  # seconds


@pytest.fixture
def lan(own_server: Server) -> Iterator[Switch]:
    """A network on which the database server can be reached."""
    with network.switch(own_server.port) as switch:
        own_server.listen(switch.address, str(switch.network))
        for name, value in ROLE.items():
            own_server.execute(f"ALTER ROLE postgres SET {name} = '{value}'")
        yield switch
    for name in ROLE:
        own_server.execute(f"ALTER ROLE postgres RESET {name}")


def cluster_on(host: Host, lan: Switch, server: Server, log: Path) -> Cluster:
    """Return a cluster of another host, not started."""
    url = f"postgres://postgres@{lan.address}:{server.port}/postgres{OPTIONS}"
    return Cluster(log, within=host.within, DATABASE_URL=url, **SETTINGS)


@pytest.mark.fault(15, "hosts on a network, one cut off and healed")
def test_the_work_of_a_host_without_network_is_done_by_another_until_it_is_back(
    own_server: Server, lan: Switch, invariant: Holds, journal_file: Path, tmp_path: Path, record_property: Any
) -> None:
    far_host, near_host = lan.add_host(), lan.add_host()
    far = cluster_on(far_host, lan, own_server, tmp_path / "far")
    near = cluster_on(near_host, lan, own_server, tmp_path / "near")
    with ExitStack() as stack:
        stack.enter_context(far)
        held = [enqueue(bare_effect, gate=True), enqueue(locks_its_delivery)]  # one for each worker
        for delivery in held:
            gates.reached(journal_file, delivery.id, 1)
        stack.enter_context(near)
        families = far.family(), near.family()
        with transaction.atomic():
            rest = [enqueue(effect, before=0.01) for _ in range(size(30, 2_000))]
        far_host.pull_cable()
        began = time.monotonic()
        for delivery in held:
            gates.let_through(journal_file, delivery.id, 1)
        wait_for_end(held, seconds=LEASE + NOTICED + 10)
        record_property("s until another host had done what the cut-off one held", round(time.monotonic() - began, 1))
        wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "every end", seconds=120)
        assert not Delivery.objects.exclude(owner__startswith=f"{near_host.name}/").exists()
        far_host.plug_in()
        began = time.monotonic()
        wait_until(lambda: is_given_work(far_host), "work on the host", seconds=NOTICED + 30)
        record_property("s until the cut-off host worked again", round(time.monotonic() - began, 1))
        wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), "every end")
        assert (far.family(), near.family()) == families
    ledger = invariant()
    record_property("deliveries", len(held) + len(rest))
    record_property("stale", ledger["failed_attempts"].get("STALE", 0))
    assert set(ledger["states"]) == {"SUCCESSFUL"}


def is_given_work(host: Host) -> bool:
    """Hand off once more, and tell whether a worker of the host has taken anything yet."""
    enqueue(effect)
    return Delivery.objects.filter(owner__startswith=f"{host.name}/").exists()
