"""The control of ``test_stale``: where writes do not ask for the token, the invariant breaks."""

from pathlib import Path

import pytest

from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults import gates
from tests.faults.conftest import Holds
from tests.faults.receivers.slow import gated
from tests.faults.sleepers import SHORT_LEASE, overtaken, stale

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CLUSTER = SHORT_LEASE | {"FAULT_SABOTAGE": "without_token"}


@pytest.mark.fault(7, "the same without the token, as a control: the invariant breaks")
def test_without_the_token_the_one_that_woke_decides_and_the_invariant_says_so(
    invariant: Holds, cluster: Cluster, journal_file: Path
) -> None:
    delivery = overtaken(gated, journal_file)
    wait_for_end([delivery])  # by the first attempt, which is on the record as LOST
    gates.let_through(journal_file, delivery.id, 2)
    wait_until(lambda: stale(delivery) == [2], "the refusal of the wrong one")
    with pytest.raises(AssertionError, match=r"after 2 attempts, and left effects of attempts \[1\]"):
        invariant()
