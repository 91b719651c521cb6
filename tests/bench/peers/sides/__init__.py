"""The receivers of each queue: a module each, which only its own processes import."""
