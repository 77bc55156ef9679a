"""The subcommands of `trainer`, one in a file; see `base.console.lazy_group`."""
