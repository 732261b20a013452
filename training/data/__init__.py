"""Public and own data sets as stores of slices with single-structure masks."""
