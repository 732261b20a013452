"""Qt and magicgui: thin widgets, the controller and the inference thread."""
