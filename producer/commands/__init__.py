"""The subcommands of `producer`, one in a file; see `base.console.lazy_group`."""
