"""Folders, globs and manifests as a stream of images with their labels."""
