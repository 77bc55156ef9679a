"""What a report reads: a run from the ledger, its groups, labels and thresholds."""
