"""Latencies that a browser sends are checked, and told as percentiles where they are enough."""

import pytest
from django.core.exceptions import ValidationError

from sigdemo.lab.pings import Latency, percentile, read_samples

NOT_JSON, NO_LIST = "The pings are not JSON.", "The pings are not a list of at most 2400 numbers."
NO_LATENCY = "A ping is not a number of milliseconds from 0 to 120000."
BAD = [b'["1"]', b"[true]", b"[NaN]", b"[-1]", b"[" + b"9" * 400 + b"]", b"[1e999]", b"[1e9]"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        *((body, NOT_JSON) for body in (b"{", b"\xff", b"[" * 100_000)),
        *((body, NO_LIST) for body in (b"{}", b"[" + b"1," * 2400 + b"1]")),
        *((body, NO_LATENCY) for body in BAD),
    ],
)
def test_only_a_list_of_milliseconds_is_taken(body: bytes, message: str) -> None:
    assert read_samples(b"[1, 2.344, 0]") == [1.0, 2.34, 0.0]
    with pytest.raises(ValidationError) as refused:
        read_samples(body)
    assert refused.value.message == message


def test_percentiles_and_factors_need_fifty_samples() -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert (percentile(samples, 50), percentile(samples, 95)) == (50.0, 95.0)
    assert percentile(samples[:50], 50) == 75.0
    assert percentile(samples[:49], 50) is None
    assert Latency(label="thread", samples=[30.0] * 50, idle=[2.0] * 50).factor == 15.0
    few = Latency(label="thread", samples=[30.0, 12.5], idle=[2.0] * 50)
    assert (few.p95, few.factor, few.quickest, few.slowest) == (None, None, 12.5, 30.0)
    assert Latency(label="thread", samples=[30.0] * 50, idle=[2.0] * 49).factor is None
    assert Latency(label="none", samples=[]).slowest is None
