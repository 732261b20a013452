"""Networks behind numpy: what the session asks of each family."""
