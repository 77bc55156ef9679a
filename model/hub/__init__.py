"""TensorFlow Hub modules inside a checkpoint: what they may do, and how they are rebuilt."""
