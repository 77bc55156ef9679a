"""What figures mean for patients."""
