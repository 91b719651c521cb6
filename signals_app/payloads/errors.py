"""The walk through arguments: where in them it is, why it ends there, and the cure for what cannot travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MappingView
from typing import Any, TypeAlias, TypeVar, cast

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.redaction import beginning

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

T = TypeVar("T")
V = TypeVar("V")

MAX_DEPTH = 32  # levels of containers in one argument
TAG = "$"  # what the only key of a tagged object begins with
_LONGEST = 500  # characters of what is wrong with a payload: it may name what was forged


class BrokenOff(Exception):
    """Ends a walk; while the stack unwinds, each container adds the step that led to the culprit."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self._way: list[tuple[str, int]] = []  # from the culprit out

    def passing(self, step: str, container: object) -> None:
        """Add the step, such as ``[3]`` or ``.lines``, from a container to what the walk came from."""
        self._way.append((step, id(container)))

    def path(self, argument: str) -> str:
        """Return where the culprit is, such as ``order.lines[3]``."""
        return "".join([_printable(argument), *(step for step, _ in reversed(self._way))])


class Refusal(BrokenOff):
    """A value cannot travel. ``{argument}`` and ``{path}`` in the cure stand for what the sender calls it."""

    def __init__(self, culprit: object, problem: str, cure: str = "") -> None:
        super().__init__(problem)
        self.culprit = culprit
        self.cure = cure or cure_for(type(culprit))

    def explained(self, argument: str) -> str:
        """Return what the sender is told."""
        path, culprit = self.path(argument), self.culprit
        # types are compared, because isinstance() asks an object that may lie or fail
        kind = cast(type, culprit) if issubclass(type(culprit), type) else type(culprit)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return f"{path} ({name}) {self.problem}. {self.cure.format(argument=argument, path=path)}"


class TooDeep(BrokenOff):
    """Containers are nested deeper than MAX_DEPTH, perhaps because one holds itself."""

    def explained(self, argument: str) -> str:
        """Return what the sender is told."""
        path, above = _printable(argument), set[int]()
        for step, container in reversed(self._way):
            if container in above:
                return f"{path} contains itself. Break the cycle, or pass primary keys."
            above.add(container)
            path += step
        return (
            f"{path[:80]}… is nested deeper than {MAX_DEPTH} levels. Flatten it, or store it and pass its primary key."
        )


class TooMany(BrokenOff):
    """The containers hold more items than a payload may have bytes."""


class Malformed(BrokenOff):
    """A payload does not say what it should."""

    def error(self, argument: str) -> Exception:
        """Return what a worker records."""
        problem, path = self.problem[:_LONGEST], self.path(argument)
        end = "" if problem.endswith((".", "?")) else "."
        error = PayloadError(f"The payload is malformed: {path} {problem}{end}")
        error.path = path
        return error


class Gone(BrokenOff):
    """A model instance that a payload refers to does not exist."""

    def error(self, argument: str) -> Exception:
        """Return what a worker records."""
        return MissingObject(f"{self.path(argument)} {self.problem}")


# the steps to a field, to an item, to the value of a key
field_step = ".{}".format
item_step = "[{}]".format


def key_step(key: object) -> str:
    return f"[{shown(key)}]"


def each(items: Iterable[T], make: Callable[[T], V], holder: object, step: Callable[[int], str] = item_step) -> list[V]:
    """Return what is made of each item. Raises BrokenOff with the step from the holder to the item in its path."""
    made: list[V] = []
    try:
        for item in items:
            made.append(make(item))  # noqa: PERF401 - its length tells the index
    except BrokenOff as broken:
        broken.passing(step(len(made)), holder)
        raise
    return made


def each_named(
    items: Mapping[str, T], make: Callable[[T], V], holder: object, step: Callable[[str], str] = field_step
) -> dict[str, V]:
    """Do what ``each`` does for items that have names."""
    made: dict[str, V] = {}
    name = ""
    try:
        for name, item in items.items():
            made[name] = make(item)
    except BrokenOff as broken:
        broken.passing(step(name), holder)
        raise
    return made


def shown(value: object) -> str:
    """Return a short text of a value for a message, whatever its ``__repr__`` does."""
    try:
        text = ascii(value)
    except Exception:  # such as the limit of 4,300 digits
        return f"a value of type {type(value).__qualname__}"
    return text if len(text) <= 60 else f"{beginning(text, 60)}…"


def _printable(name: str) -> str:
    return name if name.isprintable() else shown(name)


def is_utf_8(text: str) -> bool:
    """Return whether UTF-8 can hold a text, which it cannot where half of a surrogate pair is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Encoder:
    """The walk from values to JSON. ``budget`` is how many more items there may be, for each takes a byte or more."""

    __slots__ = ("_budget", "by_value", "depth", "is_deleted")

    def __init__(self, budget: int) -> None:
        self.by_value = False  # model instances are written as snapshots
        self.is_deleted = False  # their rows are being deleted, so others travel as their keys
        self.depth = 0
        self._budget = budget

    def encode(self, value: object) -> Json:
        """Return the JSON of a value. Raises BrokenOff."""
        raise NotImplementedError

    def enter(self, size: int) -> None:
        """Go into a container of that many items; out of it again by ``depth``. Raises TooDeep and TooMany."""
        self.depth += 1
        self._budget -= size
        if self.depth > MAX_DEPTH:
            raise TooDeep
        if self._budget < 0:
            raise TooMany


Encode = Callable[[Any, Encoder], Json]
Read = Callable[[Json], object]  # returns the value of JSON within JSON; raises BrokenOff
Decode = Callable[[Json, Read], object]


_DROP = "Add drop=({argument!r},) or pass the values you need."
_CALL = "Call it before the send, or pass a name that the receiver looks up."
_PLAIN = "Pass {base}({{path}})."
_ISO = "Pass {path}.isoformat()."

# by name, along the method resolution order, so that nothing is imported for the sake of a message
_CURES = {
    "django.http.request.HttpRequest": _DROP,
    "django.http.response.HttpResponseBase": _DROP,
    "django.contrib.sessions.backends.base.SessionBase": _DROP,
    "django.apps.registry.Apps": _DROP,
    "django.apps.config.AppConfig": "Add drop=({argument!r},) or pass its label.",
    "django.db.models.query.QuerySet": "Pass a list of primary keys, or list({path}); or add drop=({argument!r},).",
    "django.db.models.manager.BaseManager": "Pass a list of primary keys, or list({path}.all()).",
    "django.db.models.expressions.Combinable": (
        "Only the database knows its value. By reference an instance needs none; with snapshot, call its "
        "refresh_from_db() before the send."
    ),
    "django.core.files.base.File": "Save it to a storage and pass its name.",
    "django.contrib.auth.models.AnonymousUser": "Pass None for a visitor who is not logged in.",
    "django.forms.forms.BaseForm": "Pass {path}.cleaned_data.",
    "django.utils.datastructures.MultiValueDict": "Pass dict({path}.lists()).",
    "_io._IOBase": "Save it and pass its path, or pass its content.",
    "builtins.coroutine": "Await it before the send.",
    "builtins.function": _CALL,
    "builtins.method": _CALL,
    "builtins.builtin_function_or_method": _CALL,
    "functools.partial": "Call it before the send, or pass its arguments.",
    "builtins.module": "Pass its name.",
    "unittest.mock.NonCallableMock": "Pass a real value, or call the receiver's .func, which takes anything.",
    # str() of it is empty: the text is made when the number is put in
    "django.utils.translation.lazy_number.<locals>.NumberAwareString": "Put the number in first: {path} % number.",
    "builtins.memoryview": "Pass bytes({path}).",
    "builtins.range": "Pass list({path}).",
    "collections.deque": "Pass list({path}).",
    "builtins.BaseException": "Pass str({path}), or what the receiver needs of it.",
    "datetime.date": _ISO,
    "datetime.time": _ISO,
    "datetime.timedelta": "Pass {path}.total_seconds().",
    "decimal.Decimal": "Pass str({path}).",
    "pathlib.PurePath": "Pass str({path}).",
    "pathlib._local.PurePath": "Pass str({path}).",  # its name in Python 3.13
    "datetime.tzinfo": "Pass its name.",
    **{
        f"builtins.{base}": _PLAIN.format(base=base)
        for base in ("str", "bytes", "int", "float", "dict", "list", "tuple", "set", "frozenset")
    },
}
_OTHER = "Pass plain values, a dataclass or a saved model instance instead, or add drop=({argument!r},)."


def cure_for(kind: type) -> str:
    """Return the cure for values of a type, with ``{argument}`` and ``{path}`` to be filled in."""
    for base in kind.__mro__:
        cure = _CURES.get(f"{base.__module__}.{base.__qualname__}")
        if cure:
            return cure
    if issubclass(kind, Mapping):
        return "Pass dict({path})."
    return "Pass list({path})." if issubclass(kind, Iterator | MappingView) else _OTHER
