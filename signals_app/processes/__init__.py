"""The processes of a cluster: who they are, which are alive, and which end together."""
