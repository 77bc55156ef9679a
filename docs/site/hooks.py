"""What MkDocs is told beside its configuration."""

import re
from pathlib import Path
from typing import Any

SCRIPT = '<script src="{root}mermaid.js"></script>'
# A frame to scroll in, on a screen where the whole picture would be too small to be read.
PICTURE = r'<div class="picture">\1</div>'
# Where the theme takes the search from that works on pages read from disk.
SHIM = "https://unpkg.com/iframe-worker/shim"
DECISIONS = "docs/decisions/"
# Pages without others beside them: what commands print takes the room of that navigation.
WIDE = ("README.md", "docs/tutorial.md")


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


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001, ANN401 - MkDocs' signature
    """Leave out a navigation that would be empty."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["navigation"]
    return markdown


def on_post_page(output: str, *, page: Any, config: Any) -> str:  # noqa: ARG001, ANN401 - MkDocs' signature
    """Load nothing from elsewhere, and the drawing program, which is large, only where it draws."""
    return _local(output, page.file.dest_uri)


def on_post_template(output_content: str, *, template_name: str, config: Any) -> str:  # noqa: ARG001, ANN401
    """The same for the page of a wrong address."""
    return _local(output_content, template_name)


def _local(html: str, address: str) -> str:
    root = "../" * address.count("/")
    html = html.replace(SHIM, f"{root}search-worker.js")
    if 'class="mermaid"' in html:
        html = re.sub(r'(<pre class="mermaid">.*?</pre>)', PICTURE, html, flags=re.DOTALL)
        html = html.replace("</head>", SCRIPT.format(root=root) + "</head>")
    if address.startswith("docs/reference/"):
        html = html.replace("<article ", "<article data-stacks ", 1)
    return html
