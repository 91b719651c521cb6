"""The ledger against a model of it: hand-offs, claims, crashes, stale ends and operators, in any order."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.harness import FULL, size
from tests.faults.model import Clusters

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.short
@pytest.mark.fault(22, "what may happen to deliveries, in any order, against a model")
def test_every_interleaving_leaves_the_rows_that_the_model_expects(record_property: Any) -> None:
    runs = size(15 if connection.vendor == "postgresql" else 40, 2_000)
    Clusters.steps = 0
    run_state_machine_as_test(
        Clusters,
        settings=settings(
            max_examples=runs,
            stateful_step_count=size(40, 60),
            deadline=None,
            database=None,
            derandomize=not FULL,
            phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],  # to shrink takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
    record_property("runs", runs)
    record_property("steps", Clusters.steps)
