"""The receiving side: a worker of a cluster claims deliveries and runs their receivers."""
