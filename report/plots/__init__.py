"""The pictures of a report, one in a file.

They use `matplotlib.figure.Figure` instead of pyplot, which keeps its figures globally.
"""
