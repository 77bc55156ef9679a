"""Every statement of the report, one subject in a file."""
