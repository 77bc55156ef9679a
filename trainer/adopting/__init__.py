"""From a model that somebody else trained to a checkpoint that computes the same."""
