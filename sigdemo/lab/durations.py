"""Durations as people read them."""


def duration(seconds: float) -> str:
    """Return milliseconds with a sensible number of digits: ``0.42 ms``, ``3.1 ms``, ``512 ms``, ``2,004 ms``."""
    milliseconds = seconds * 1000
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 1 else 2
    return f"{milliseconds:,.{digits}f} ms"
