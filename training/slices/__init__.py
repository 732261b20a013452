"""Data sets as stores of slices with single-structure masks."""
