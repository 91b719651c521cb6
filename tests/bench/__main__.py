"""Run the benchmark: ``python -m tests.bench [--quick] [--json PATH]``.

SQLite is always measured, PostgreSQL where the server at ``BENCH_DATABASE_URL`` answers. It says what was measured and
fails only when something could not be: a target that is missed on a busy machine proves nothing.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import databases, measuring, report
from tests.bench.figures import FULL, QUICK


def main() -> None:
    """Measure, print a table for each database as soon as it is done, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="signals_app beside django-q2 alone")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it works; they say little")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write everything measured to a file")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="measure this one only")
    parser.add_argument("--bulk", action="store_true", help="measure many sends and nothing else")
    parser.add_argument("--lanes", action="store_true", help="measure queues in lanes and nothing else")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that clusters and databases are cleared away
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sigdemo-bench-") as name:
        directory = Path(name)
        where = report.describe_machine(directory)
        print(report.heading(where), flush=True)
        runs = []
        for vendor in options.database or databases.available():
            print(f"Measuring on {vendor} …", file=sys.stderr, flush=True)
            scale = QUICK if options.quick else FULL
            if options.bulk:
                print("", vendor, *report.many_sends(measuring.measure_many_sends(vendor, scale, directory)), sep="\n")
                continue
            if options.lanes:
                print("", vendor, *report.in_lanes(measuring.measure_lanes(vendor, scale, directory)), sep="\n")
                continue
            runs.append(measuring.measure(vendor, scale, directory))
            print(report.tables(runs[-1]), flush=True)
    after = {"load after": report.load(), "seconds": f"{time.monotonic() - began:.0f}"}
    print("", report.heading(after), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(where | after, runs), indent=2) + "\n")


if __name__ == "__main__":
    main()
