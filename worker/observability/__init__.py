"""What a worker reports about itself: log, metrics, traces."""
