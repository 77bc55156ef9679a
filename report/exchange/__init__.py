"""Scores that come from elsewhere, and predictions that go elsewhere, as files."""
