"""What never reached the analysis, by class (STARD 2015, items 15, 16, 19 and 22). Pure."""
