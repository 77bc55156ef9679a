"""What keeps a worker and its leases alive, and how it ends."""
