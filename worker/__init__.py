"""The Celery workers that score batches."""
