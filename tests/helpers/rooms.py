"""The packages and their folders as docs/architecture.md shows them, made from the code itself.

`python tests/helpers/rooms.py` writes the picture and the table there.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp

PROJECT = Path(__file__).parents[2]
PACKAGES = ("producer", "trainer", "worker", "report", "imaging", "model", "db", "base")
PAGE = PROJECT / "docs" / "architecture.md"
BEGIN = "<!-- rooms: python tests/helpers/rooms.py -->\n"
END = "<!-- end of rooms -->\n"


def code_folders() -> list[Path]:
    """All folders of product code, migrations left out, those above before those inside."""
    folders = (file.parent for name in PACKAGES for file in (PROJECT / name).rglob("__init__.py"))
    return sorted(folder for folder in folders if "migrations" not in folder.parts)


def files_in(folder: Path) -> list[Path]:
    """The modules of a folder, its own text left out."""
    return sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")


def arrows(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Which package imports which, without those arrows that a longer way makes plain."""
    below = {
        package: {
            other
            for other in PACKAGES
            if other != package
            and graph.find_shortest_chains(importer=package, imported=other, as_packages=True)
        }
        for package in PACKAGES
    }
    return {
        (package, other)
        for package, others in below.items()
        for other in others
        if not any(other in below[between] for between in others - {other})
    }


def rendered() -> str:
    """The picture and the table, in Markdown."""
    return "\n".join(
        ["```mermaid", *_picture(grimp.build_graph(*PACKAGES)), "```", "", *_table(), ""]
    )


def written(page: str) -> str:
    """The page with what is rendered between its two marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{rendered()}\n{END}{rest.split(END)[1]}"


def _picture(graph: grimp.ImportGraph) -> Iterator[str]:
    yield "flowchart TD"
    for package in PACKAGES:
        yield f'    {package}["{package}/"]'
    for above, below in sorted(arrows(graph)):
        yield f"    {above} --> {below}"


def _table() -> Iterator[str]:
    yield "| folder | what it holds |"
    yield "|---|---|"
    for folder in code_folders():
        name = folder.relative_to(PROJECT)
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        yield f"| `{name}/` | {text.splitlines()[0]} |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
