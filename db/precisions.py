"""What a run can ask for, the default first. RunSpec no SQLAlchemy."""

PRECISIONS = ("float32", "bfloat16", "float16")
