"""The database's own clock, which is the only one used for leases."""

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Now(FunctionElement[float]):
    """Seconds since 1970-01-01 UTC, read from the database server when the row is touched.

    Not the transaction's start time: a lease taken late in a long transaction must run its full
    length.
    """

    type = Double()
    inherit_cache = True
    name = "now_seconds"


@compiles(Now, "sqlite")
def _sqlite(_element: Now, _compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own signature
    # unixepoch with fractions needs SQLite 3.42; a julian day resolves 40 microseconds.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(Now, "postgresql")
def _postgresql(_element: Now, _compiler: SQLCompiler, **_: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own signature
    return "extract(epoch from clock_timestamp())::double precision"
