"""Images that lie in an object store or on a web server."""
