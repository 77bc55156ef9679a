"""All statements of producer and worker, one subject per file."""
