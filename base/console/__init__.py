"""What a program says to a person, and what it hears: lines, terminal, Ctrl-C, words of others."""
