"""CSV manifests: how they are written, their columns, ids and diagnoses, known data sets."""
