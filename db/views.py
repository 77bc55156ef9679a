"""How many views of an image a run can ask for, the default first. Needs no SQLAlchemy.

Four are the flips, which keep the shape of an image that is not square; eight are all flips and
quarter turns. What they are is in `worker.scoring.views`.
"""

VIEWS = (1, 4, 8)


def in_words(views: int) -> str:
    """The run's views for a person; empty for the image alone."""
    return "" if views == 1 else f"{views} views"
