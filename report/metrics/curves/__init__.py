"""Figures of whole curves: intervals of areas, partial areas, and the smooth calibration curve."""
