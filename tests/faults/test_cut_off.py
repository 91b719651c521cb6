"""A cluster loses its database without a word: its packets go nowhere for longer than a lease, and then arrive."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from signals_app.cluster.supervisor import LOOK
from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, is_alive, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import Holds, size
from tests.faults.proxy import Proxy
from tests.faults.receivers.commits import bare_effect
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]

LEASE = size(2, 30)
STOP_WITHIN = size(2, 10)
SETTINGS = json.dumps({"LEASE": LEASE, "HEARTBEAT": 1, "STOP_WITHIN": STOP_WITHIN})


@pytest.mark.fault(15, "a cluster cut off for longer than its lease, and healed")
def test_what_a_cluster_did_while_it_was_cut_off_does_not_count(
    own_server: Server, invariant: Holds, journal_file: Path, tmp_path: Path, record_property: Any
) -> None:
    with Proxy(own_server.port) as wire:
        url = f"postgres://postgres@127.0.0.1:{wire.port}/postgres"
        with Cluster(tmp_path / "far", DATABASE_URL=url, TEST_SIGNALS_APP=SETTINGS) as far:
            family = far.family()
            held = cut_at_work(wire, journal_file)
            with transaction.atomic():
                rest = [enqueue(effect, before=0.01) for _ in range(size(20, 500))]
            with Cluster(tmp_path / "near", TEST_SIGNALS_APP=SETTINGS):
                wait_for_end([*held, *rest], seconds=LEASE + 30)
                assert outcomes(held) == [[Outcome.LOST]] * 2
                wire.heal()
                wait_until(lambda: outcomes(held) == [[Outcome.LOST, Outcome.STALE]] * 2, "what came too late")
            last = enqueue(effect)
            wait_for_end([last])  # by the far cluster, for the near one is gone
            assert (last.state, last.attempts) == (State.SUCCESSFUL, 1)
            assert far.family() == family
            assert set(invariant()["states"]) == {"SUCCESSFUL"}
            record_property("deliveries", len(held) + len(rest))
            record_property("stale", len(held))

            cut_at_work(wire, journal_file)
            time.sleep(2 * LOOK + 1)  # by then its supervisor has asked the database something, and waits
            assert far.stop(seconds=STOP_WITHIN + 10) == 0
            assert not any(map(is_alive, family))


def cut_at_work(wire: Proxy, journal_file: Path) -> list[Delivery]:
    """Cut a cluster off while each of its two workers runs a delivery, which ends then."""
    held = [enqueue(bare_effect, gate=True) for _ in range(2)]
    for delivery in held:
        gates.reached(journal_file, delivery.id, 1)
    wire.cut()
    for delivery in held:
        gates.let_through(journal_file, delivery.id, 1)
    return held


def outcomes(deliveries: list[Delivery]) -> list[list[str]]:
    """Return the bad ends of each."""
    return [list(delivery.failed_attempts.order_by("id").values_list("outcome", flat=True)) for delivery in deliveries]
