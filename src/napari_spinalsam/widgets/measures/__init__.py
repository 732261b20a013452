"""The Measures window."""
