"""Hypothesis strategies for payloads that no signal wrote: of the right shape, more or less, and of evil content."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from signals_app.payloads.decoding import _DECODERS

VALUES = "tests.payload_app.values"
SNAPSHOT = ("model", "database", "adding", "fields", "deferred")

names = st.sampled_from(
    [
        *(f"{VALUES}:{name}" for name in ("Point", "Frozen", "Careful", "Failure", "Unhashable", "Pair", "OldPair")),
        *(f"{VALUES}:{name}" for name in ("Colour", "Right", "Bit", "Service", "T", "Outer.Inner", "Nobody", "")),
        *(f"payload_app.{name}" for name in ("Plain", "ByPair", "ByUuid", "Everything", "Base", "Coded", "Offer")),
        *("subprocess:Popen", "builtins:eval", "builtins:int", "antigravity:X", "payload_app", "auth.User"),
        *("default", "other", "nowhere", "RED", "READ", "Europe/Berlin", "../../etc/passwd", "Europe", "2024-01-01"),
        *("2024-01-01T00:00:00+25:00", "0xff", "nan", "1e999999999999999999999", "AAAA", "=", "\0", "é"),
    ]
)
field_names = st.sampled_from(
    [
        *("x", "y", "z", "a", "b", "id", "name", "left", "right", "parts"),
        *("raw", "__class__", "price", "cost", "span", "code"),
    ]
)
shapes = st.sampled_from(SNAPSHOT)
tags = st.sampled_from([*_DECODERS, "$field", "$argument", "$unknown", "$"])
atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | names


def _json(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | field_names | shapes, inner, max_size=4)
        | st.dictionaries(tags, inner, min_size=1, max_size=1)
        | st.dictionaries(tags | st.text(max_size=2), inner, max_size=3)
        | st.builds(
            lambda tag, name, fields: {tag: [name, fields]},
            tags,
            names,
            st.dictionaries(field_names, inner, max_size=2),
        )
        | st.builds(lambda model, pk, alias: {"$instance": [model, pk, alias]}, names, inner, names)
        | st.fixed_dictionaries({"$snapshot": st.fixed_dictionaries(dict.fromkeys(SNAPSHOT, inner))})
        | st.builds(
            lambda model, fields: {
                "$snapshot": {"model": model, "database": "default", "adding": False, "fields": fields, "deferred": []}
            },
            names,
            st.dictionaries(field_names, inner, max_size=3),
        )
    )


forged = st.recursive(atoms, _json, max_leaves=15)
