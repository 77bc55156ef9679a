"""Reads what a report needs: a run from the ledger, its groups, labels and thresholds."""
