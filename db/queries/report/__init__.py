"""All statements of the report, one subject per file."""
