"""The ledger: its tables and migrations, and how it is opened."""
