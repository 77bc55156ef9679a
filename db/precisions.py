"""The precisions that a run can ask for, the default first. Needs no SQLAlchemy."""

PRECISIONS = ("float32", "bfloat16", "float16")
