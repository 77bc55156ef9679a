"""What MkDocs is told beside its configuration."""

from pathlib import Path
from typing import Any

SCRIPT = '<script src="{root}mermaid.js"></script>'
DECISIONS = "docs/decisions/"


def on_config(config: Any) -> Any:  # noqa: ANN401 - MkDocs' signature
    """Put every decision into the navigation, where the configuration names their folder."""
    pages = sorted(
        f"{DECISIONS}{path.name}" for path in (Path(config.docs_dir) / DECISIONS).glob("[0-9]*.md")
    )
    for section in config.nav:
        for items in section.values():
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and "Decisions" in item:
                    item["Decisions"] = [f"{DECISIONS}README.md", *pages]
    return config


def on_post_page(output: str, *, page: Any, config: Any) -> str:  # noqa: ARG001, ANN401 - MkDocs' signature
    """Load the drawing program, which is large, only where a picture is to be drawn."""
    if 'class="mermaid"' not in output:
        return output
    root = "../" * page.file.dest_uri.count("/")
    return output.replace("</head>", SCRIPT.format(root=root) + "</head>")
