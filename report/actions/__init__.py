"""What each subcommand of `report` does, past its options."""
