"""Signal arguments to JSON text and back. No pickle: a payload can only make values of the types named here.

Lossless for None, bool, int of any size, float, str, list, dict, tuple, named tuples, set, frozenset, bytes, bytearray,
datetime and time (zone and fold included), date, timedelta, Decimal, UUID, members of enumerations, dataclass
instances, classes, model classes and model instances. An instance travels as model, primary key and database, and is
fetched afresh; a snapshot travels with the values of its fields.

What JSON does not have is written as an object with one key, its tag, such as ``{"$decimal": "1.10"}``.

Some values come back changed: lazy objects are resolved; a value of a subclass becomes one of its base where nothing is
lost by it, so templates escape a ``SafeString`` again; a list that two arguments share becomes two lists; what is
set on a model instance beside its fields stays behind.
"""

from signals_app.payloads.decoding import Decoded, decode_arguments
from signals_app.payloads.encoding import encode_arguments
