"""The offline parser: from a sentence to a reply, without a network."""
