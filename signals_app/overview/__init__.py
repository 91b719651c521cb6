"""The figures of the overview: clusters, the last hour, receivers, failures, and what is wrong."""
