"""The Objects panel."""
