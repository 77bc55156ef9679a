"""From image files to tensors, within bounds of time and memory."""
