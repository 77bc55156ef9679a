"""The pictures of a report, one in a file.

Drawn on `matplotlib.figure.Figure` and not through pyplot, which keeps its figures globally.
"""
