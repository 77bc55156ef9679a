"""Imports scores of other programs from files, and exports predictions to files."""
