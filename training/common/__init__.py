"""What every training shares: loop, logger, checkpoints, configuration files."""
