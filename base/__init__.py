"""What every program and package may use: the settings, and what Ctrl-C does."""
