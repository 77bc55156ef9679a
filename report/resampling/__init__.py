"""Intervals of a report's figures by a seeded bootstrap over its images."""
