"""Which pages there are, and what each of them says now.

A page, or the part of it between two marks, is made whole. In the tables of the ledger and of the
error codes a person writes what a row means; everything else there is made.
"""

import json
import re

from processes import PROJECT

from reference import codes, helps, ledger, metrics, schema, variables

FOLDER = PROJECT / "docs" / "reference"
BEGIN = "<!-- made by `make reference` -->\n"
END = "<!-- end of what is made -->\n"


def rendered() -> dict[str, str]:
    """Each file of docs/reference/ by its name, as the programs have it now."""
    outputs = {"report": schema.of_report(), "status": schema.of_status()}
    return {
        **{f"{name}.md": helps.page(name) for name in helps.PAGES},
        "settings.md": _between("settings.md", variables.table()),
        "metrics.md": _between("metrics.md", metrics.table()),
        "errors.md": _between("errors.md", codes.table((FOLDER / "errors.md").read_text())),
        "ledger.md": ledger.page((FOLDER / "ledger.md").read_text()),
        "json.md": _between("json.md", schema.tables(outputs)),
        **{
            f"{name}.schema.json": json.dumps(found, indent=2) + "\n"
            for name, found in outputs.items()
        },
    }


def _between(name: str, made: str) -> str:
    page = (FOLDER / name).read_text()
    parts = re.split(f"({BEGIN}).*?({END})", page, maxsplit=1, flags=re.DOTALL)
    assert len(parts) == 4, f"{name} has the two marks"
    before, begin, end, after = parts
    return f"{before}{begin}\n{made}\n{end}{after}"
