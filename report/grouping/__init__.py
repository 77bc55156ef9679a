"""What `--by` asks for: columns, crossed columns, and numbers in bands. Pure."""
