"""A checklist as a Markdown file for authors to complete."""

from report.checklist.item import Item, Standard, Study
from report.checklist.stard import STARD
from report.checklist.tripod_ai import TRIPOD_AI
from report.render.markdown import parts_as_markdown
from report.render.tables import provenance_line, warnings
from report.table import Table

STANDARDS = {"stard": STARD, "tripod-ai": TRIPOD_AI}
_HEADINGS = ("item", "asks for", "from the ledger", "for the authors to write")


def checklist(standard: Standard, study: Study) -> str:
    """All items of a standard, filled in as far as the ledger, the card and the report go."""
    rows = tuple(_row(item, study) for item in standard.items)
    filled = sum(row[2] != "open" for row in rows)
    note = (
        f"Source: {standard.source}; items are in short words here, so read them there. "
        f"{filled} of {len(rows)} items have an answer from the ledger; the others are open. "
        "The unit is the image."
    )
    cautions = warnings(study.report, named=False)
    table = Table(_HEADINGS, rows)
    parts = parts_as_markdown((provenance_line(study.report), *cautions, note, table))
    return f"# {standard.title}: run {study.report.run.number}\n\n{parts}\n"


def _row(item: Item, study: Study) -> tuple[str, str, str, str]:
    answer = item.answer(study) if item.answer is not None else None
    return item.number, item.asks, answer or "open", item.write
