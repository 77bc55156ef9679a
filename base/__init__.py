"""Shared by all programs and packages: settings, whole files, locks, TensorFlow's start."""
