"""Features of images by a frozen backbone, kept on disk."""
