"""Figures computed from labels and scores. Pure: nothing is read or written."""
