"""From sentences to actions: the offline parser and the client of language models."""
