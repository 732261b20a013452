"""The only place that adds or edits napari layers."""
