"""Sentences with the replies that are right, and how well the offline parser does."""
