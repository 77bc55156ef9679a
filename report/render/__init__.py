"""A report as text, Markdown, JSON and CSV."""
