"""What is connected to what in this process, and what came of it: signals, receivers, and the record's counts."""

from signals_app.introspection.callables import Form
from signals_app.introspection.connections import Connection, Kind
from signals_app.introspection.counts import COUNTED, Counts
from signals_app.introspection.exported import as_json
from signals_app.introspection.options import Option
from signals_app.introspection.places import Place
from signals_app.introspection.signals_map import Edge, Loose, Mark, Node, SignalsMap, signals_map
from signals_app.introspection.text import lines

__all__ = [
    "COUNTED",
    "Connection",
    "Counts",
    "Edge",
    "Form",
    "Kind",
    "Loose",
    "Mark",
    "Node",
    "Option",
    "Place",
    "SignalsMap",
    "as_json",
    "lines",
    "signals_map",
]
