"""What a researcher can ask for, as data: the actions, replies and descriptions."""
