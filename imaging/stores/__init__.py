"""Images in an object store or on a web server."""
