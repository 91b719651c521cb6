"""Other queues beside this one: ``make bench-peers``, or ``python -m tests.bench.peers [--quick] [--only NAME]``.

Every queue is given the same work: an order to fetch, and a line to write that says so.
"""
