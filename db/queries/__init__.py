"""Every statement of producer and worker, one subject in a file."""
