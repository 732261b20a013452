"""The annotation as a document: objects, labels, one history, and its executor."""
