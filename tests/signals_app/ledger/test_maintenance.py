"""What one process of all does at a time."""

import pytest

from signals_app.ledger import begin_maintenance, end_maintenance, offer_maintenance
from signals_app.ledger.maintenance import _OFFER
from signals_app.ledger.sql import write

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def offer(name: str = "sweep", first: float = 0, lease: float = 60) -> bool:
    return offer_maintenance(name, first=first, lease=lease)


def begin(owner: str, lease: float = 60) -> bool:
    return begin_maintenance("sweep", owner=owner, lease=lease)


def test_a_task_nobody_has_heard_of_is_due_after_its_first_wait() -> None:
    assert [offer(first=60), offer(), offer("dust"), offer("dust")] == [False, False, False, True]


def test_a_task_is_offered_once_and_begun_by_one() -> None:
    assert [offer(), offer(), offer()] == [False, True, False]
    assert [begin("ada"), begin("bob"), begin("ada")] == [True, False, True], "who has begun it may go on"
    assert not offer()


def test_a_task_that_is_done_is_due_again_when_it_says() -> None:
    assert begin("ada")
    end_maintenance("sweep", owner="bob", again=0)
    assert not offer(), "bob was not at it"
    end_maintenance("sweep", owner="ada", again=60)
    assert not offer()
    assert begin("bob"), "an operator may begin it early"
    end_maintenance("sweep", owner="bob", again=0)
    assert offer()


def test_a_task_whose_process_died_is_due_when_its_lease_has_run_out() -> None:
    assert begin("ada", lease=0)
    assert offer(lease=0)
    assert begin("bob", lease=0)
    assert begin("cleo")


def test_of_two_pushers_that_find_a_task_due_at_once_one_offers_it() -> None:
    offer()
    assert [write(_OFFER, name="sweep", delay=60) for _ in range(2)] == [1, 0]
