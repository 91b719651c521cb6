"""For people: what the admin and the terminal show and do."""
