"""What to do instead: a sentence for each kind of value that people send and that cannot travel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MappingView

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
