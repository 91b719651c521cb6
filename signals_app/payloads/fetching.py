"""Fetching the row that an argument refers to, by a statement that is compiled once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Manager, Model
from django.db.models.lookups import Exact, IntegerFieldExact

_KEPT = "_signals_app_fetches"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetch:
    """``Model._base_manager.get(pk=…)`` as one connection runs it; Django would build the query again each time."""

    sql: str
    key: Field[Any, Any]  # what the primary key holds, which is another model's where it refers to one
    range: tuple[int | None, int | None]  # of its integers; Django does not ask for others, which the database refuses
    model: type[Model]
    names: list[str]
    converters: list[tuple[int, list[Any], Any]]

    def row(self, db: BaseDatabaseWrapper, pk: object) -> Model | None:
        """Return the instance, None where there is no such row, or where Django should be asked."""
        value = self.key.get_prep_value(pk)
        if type(value) is int and not _is_within(value, *self.range):
            return None
        with db.cursor() as cursor:
            cursor.execute(self.sql, (self.key.get_db_prep_value(value, db, prepared=True),))
            row = cursor.fetchone()
        if row is None:
            return None
        values = list(row)
        for position, convert, expression in self.converters:
            for each in convert:
                values[position] = each(values[position], expression, db)
        return self.model.from_db(db.alias, self.names, values)


def fetch(model: type[Model], pk: Any, alias: str) -> Model:
    """Return what ``model._base_manager.using(alias).get(pk=pk)`` returns, or raise what it raises."""
    db = connections[alias]
    # kept with the connection: what a statement is depends on its database, the server's version, and the settings
    compiled: dict[type[Model], _Fetch | None] = vars(db).setdefault(_KEPT, {})
    found = None
    with suppress(EmptyResultSet):  # no row can have such a key, so nothing was compiled
        if model not in compiled:
            compiled[model] = _compile(model, pk, db)
        known = compiled[model]
        found = known.row(db, pk) if known else None
    return model._base_manager.using(alias).get(pk=pk) if found is None else found


def _compile(model: type[Model], pk: object, db: BaseDatabaseWrapper) -> _Fetch | None:
    """Return None for what only Django can fetch: by a manager of the project's, by a key of many or special fields."""
    key: Any = model._meta.pk
    while key.remote_field:
        key = key.target_field
    lookup = key.get_lookup("exact")
    if type(model._base_manager) is not Manager or lookup not in (Exact, IntegerFieldExact):
        return None
    query = model._base_manager.using(db.alias).filter(pk=pk).order_by().query
    compiler = query.get_compiler(connection=db)
    sql, params = compiler.as_sql()
    if compiler.klass_info is None or params != (key.get_db_prep_value(key.get_prep_value(pk), db, prepared=True),):
        return None
    columns = [column for column, _, _ in compiler.select]
    return _Fetch(
        sql=sql,
        key=key,
        range=db.ops.integer_field_range(key.get_internal_type()) if lookup is IntegerFieldExact else (None, None),
        model=compiler.klass_info["model"],
        names=[column.target.attname for column in columns],
        converters=[(place, *found) for place, found in compiler.get_converters(columns).items()],
    )


def _is_within(value: int, least: int | None, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _forget(**kwargs: object) -> None:
    for db in connections.all(initialized_only=True):
        vars(db).pop(_KEPT, None)


setting_changed.connect(_forget, dispatch_uid="signals_app.fetching")
