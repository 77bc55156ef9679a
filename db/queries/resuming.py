"""The command that continues a run's listing, for messages that suggest it."""

from sqlalchemy.orm import Session

from db.precisions import PRECISIONS
from db.queries.runs import checkpoint_of, newest_checkpoint
from db.tables import Run
from db.views import VIEWS


def enqueue_again(session: Session, run: Run) -> list[str] | None:
    """The arguments with which `producer enqueue` resumes this run, before they are quoted.

    None if it cannot be resumed: standard input has no name to find it by. The source is relative
    to DATA_ROOT, as it is stored.
    """
    # A source that begins with a hyphen would be read as an option.
    words = [f"./{run.source}" if run.source.startswith("-") and run.source != "-" else run.source]
    if run.source == "-" and run.name is None:
        return None
    if run.name is not None:
        words += ["--name", run.name]
    checkpoint, newest = checkpoint_of(session, run), newest_checkpoint(session)
    if newest is None or newest.id != checkpoint.id:
        words += ["--checkpoint", checkpoint.path]
    if run.precision != PRECISIONS[0]:
        words += ["--precision", run.precision]
    if run.views != VIEWS[0]:
        words += ["--views", str(run.views)]
    return words
