"""The subcommands of `report`, one in a file; see `base.console.lazy_group`."""
