"""Compares runs with each other: differences, their tests and intervals. Pure."""
