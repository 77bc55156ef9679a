"""Figures of images that come in clusters, such as several of one lesion. Pure."""
