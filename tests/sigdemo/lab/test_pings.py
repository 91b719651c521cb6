"""Latencies that a browser sends are checked, and told as percentiles."""

import pytest
from django.core.exceptions import ValidationError

from sigdemo.lab.pings import Latency, percentile, read_samples


def test_samples_are_a_list_of_milliseconds() -> None:
    assert read_samples(b"[1, 2.345, 0]") == [1.0, 2.35, 0.0] or read_samples(b"[1, 2.345, 0]") == [1.0, 2.34, 0.0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The pings are no JSON."),
        (b"\xff", "The pings are no JSON."),
        (b"[" * 100_000, "The pings are no JSON."),
        (b"{}", "The pings are no list of at most 2400 numbers."),
        (b"[" + b"1," * 2400 + b"1]", "The pings are no list of at most 2400 numbers."),
        (b'["1"]', "A ping is no number of milliseconds from 0 to 120000."),
        (b"[true]", "A ping is no number of milliseconds from 0 to 120000."),
        (b"[NaN]", "A ping is no number of milliseconds from 0 to 120000."),
        (b"[-1]", "A ping is no number of milliseconds from 0 to 120000."),
        (b"[" + b"9" * 400 + b"]", "A ping is no number of milliseconds from 0 to 120000."),
        (b"[1e999]", "A ping is no number of milliseconds from 0 to 120000."),
        (b"[1e9]", "A ping is no number of milliseconds from 0 to 120000."),
    ],
)
def test_anything_else_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_samples(body)

    assert refused.value.message == message


def test_percentiles_are_samples() -> None:
    samples = [float(number) for number in range(100, 0, -1)]

    assert (percentile(samples, 50), percentile(samples, 95)) == (50.0, 95.0)
    assert percentile([7.0], 95) == 7.0
    assert percentile([], 95) is None


def test_a_factor_needs_an_idle_p95() -> None:
    assert Latency(label="thread", samples=[30.0], idle_p95=2.0).factor == 15.0
    assert Latency(label="idle", samples=[2.0]).factor is None
    assert Latency(label="none", samples=[], idle_p95=2.0).factor is None
