"""Reporting checklists, STARD 2015 and TRIPOD+AI, filled in from a run's report. Pure."""
