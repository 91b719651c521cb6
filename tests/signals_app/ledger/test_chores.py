"""What one process of all does at a time."""

import pytest

from signals_app import ledger
from signals_app.ledger.upkeep import _OFFER, _write

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_chore_nobody_has_heard_of_is_due_after_its_first_wait() -> None:
    assert not ledger.offer_chore("sweep", first=60, lease=60)
    assert not ledger.offer_chore("sweep", first=0, lease=60)
    assert not ledger.offer_chore("dust", first=0, lease=60)
    assert ledger.offer_chore("dust", first=0, lease=60)


def test_a_chore_is_offered_once_and_begun_by_one() -> None:
    ledger.offer_chore("sweep", first=0, lease=60)
    assert ledger.offer_chore("sweep", first=0, lease=60)
    assert not ledger.offer_chore("sweep", first=0, lease=60)
    assert ledger.begin_chore("sweep", owner="ada", lease=60)
    assert not ledger.begin_chore("sweep", owner="bob", lease=60)
    assert ledger.begin_chore("sweep", owner="ada", lease=60), "it may go on"
    assert not ledger.offer_chore("sweep", first=0, lease=60)


def test_a_chore_that_is_done_is_due_again_when_it_says() -> None:
    assert ledger.begin_chore("sweep", owner="ada", lease=60)
    ledger.end_chore("sweep", owner="bob", again=0)
    assert not ledger.offer_chore("sweep", first=0, lease=60), "bob was not at it"
    ledger.end_chore("sweep", owner="ada", again=60)
    assert not ledger.offer_chore("sweep", first=0, lease=60)
    assert ledger.begin_chore("sweep", owner="bob", lease=60), "an operator may begin it early"
    ledger.end_chore("sweep", owner="bob", again=0)
    assert ledger.offer_chore("sweep", first=0, lease=60)


def test_a_chore_whose_process_died_is_due_when_its_lease_has_run_out() -> None:
    assert ledger.begin_chore("sweep", owner="ada", lease=0)
    assert ledger.offer_chore("sweep", first=0, lease=0)
    assert ledger.begin_chore("sweep", owner="bob", lease=0)
    assert ledger.begin_chore("sweep", owner="cleo", lease=60)


def test_of_two_pushers_that_find_a_chore_due_at_once_one_offers_it() -> None:
    ledger.offer_chore("sweep", first=0, lease=60)
    assert [_write(_OFFER, name="sweep", delay=60) for _ in range(2)] == [True, False]
