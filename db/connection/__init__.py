"""How a ledger is opened: SQLite's file, PostgreSQL's address, bulk statements, plans."""
