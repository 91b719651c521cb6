"""What workers count for the metrics page. It outlives the rows it was counted from: finished deliveries are pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from signals_app.ledger.sql import connection, write
from signals_app.models import Measure, Tally


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TallyKey:
    """What is counted and for whom. ``bound`` is the upper bound of a bucket in seconds, as text."""

    measure: Measure
    queue: str
    receiver: str
    detail: str = ""
    bound: str = ""


@dataclass(slots=True, kw_only=True)
class Count:
    """How often it happened, and for how many seconds in all."""

    count: int = 0
    seconds: float = 0.0


_KEY = [field.name for field in fields(TallyKey)]
_COLUMNS = [*_KEY, *(field.name for field in fields(Count))]
# By hand: the ORM can replace the values of a row that is there, and cannot add to them.
_ADD = f"""INSERT INTO signals_app_tally ({", ".join(_COLUMNS)}) {{rows}} ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET
    count = signals_app_tally.count + excluded.count, seconds = signals_app_tally.seconds + excluded.seconds"""


def add_tallies(counted: Mapping[TallyKey, Count]) -> None:
    """Add counts to those on the record, in one statement."""
    if not counted:
        return
    # sorted: two processes that locked the same rows in different orders could wait for each other
    rows = [asdict(key) | asdict(counted[key]) for key in sorted(counted)]
    values = ", ".join("(" + ", ".join(f"%({name}{n})s" for name in _COLUMNS) + ")" for n in range(len(rows)))
    params = {f"{name}{n}": value for n, row in enumerate(rows) for name, value in row.items()}
    write(_ADD.replace("{rows}", f"VALUES {values}"), **params)


def read_tallies() -> dict[TallyKey, Count]:
    found = Tally.objects.using(connection().alias).filter(measure__in=Measure.values).values_list(*_COLUMNS)
    return {
        TallyKey(measure=Measure(measure), queue=queue, receiver=receiver, detail=detail, bound=bound): Count(
            count=count, seconds=seconds
        )
        for measure, queue, receiver, detail, bound, count, seconds in found
    }
