"""Who runs here, lives still, and ends with whom: the processes of a cluster, as all of them see it."""
