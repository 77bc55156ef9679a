"""The subcommands of `producer`, one per file; see `base.console.lazy_group`."""
