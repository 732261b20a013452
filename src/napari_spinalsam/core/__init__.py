"""Values and functions of the spine annotator: pure numpy and scipy."""
