"""How a measuring process talks to the benchmark: a request a line, an answer a line, and an end with its input."""

import json
import sys
from collections.abc import Callable
from typing import Any

Measure = Callable[..., dict[str, Any]]


def serve(*measures: Measure, **facts: Any) -> None:
    """Say what there is to say first, then answer requests: the name of a measure in ``do``, and its arguments."""
    by_name = {measure.__name__: measure for measure in measures}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(by_name[request.pop("do")](**request), default=str), flush=True)
