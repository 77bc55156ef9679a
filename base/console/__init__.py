"""Output to a person and input from one: lines, terminal, Ctrl-C, foreign text."""
