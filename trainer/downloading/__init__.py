"""Fetches, checks and unpacks the tutorial's archives."""
