"""The table of the settings."""

from base.settings import Settings


def table() -> str:
    """Every environment variable, its default and its meaning."""
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows(), ""])


def rows() -> list[str]:
    """A row for each setting; links lead from docs/reference/."""
    return [
        f"| `{name.upper()}` | {_shown(field.json_schema_extra)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def _shown(extra: object) -> str:
    assert isinstance(extra, dict)
    shown = str(extra["shown"])
    return shown if " " in shown or shown in ("none", "300") else f"`{shown}`"
