"""The Chat dock."""
