"""The program `producer`: lists images, enqueues their batches, shows the progress of runs."""
