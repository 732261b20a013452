"""Files to volumes and labels and back, in the geometry of the file."""
