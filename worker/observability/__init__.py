"""What a worker tells of itself: log, metrics, traces."""
