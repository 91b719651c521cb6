"""How often one visitor may try something. The counts are in the database, so every process sees them."""
