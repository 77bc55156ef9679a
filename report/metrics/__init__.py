"""LabelArray and scores to figures. Pure: nothing is read or written."""
