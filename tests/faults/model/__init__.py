"""A model of the ledger that hypothesis plays against the real one: what may happen to deliveries, in any order.

The model knows of each delivery what its row should say, and of each worker what it holds. After every step the rows
are compared with it; at the end the clusters recover, and the invariant is asked.
"""
