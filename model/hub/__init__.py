"""TensorFlow Hub modules inside a checkpoint: what they may contain, and how they are rebuilt."""
