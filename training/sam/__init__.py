"""Training of adapters on a SAM."""
