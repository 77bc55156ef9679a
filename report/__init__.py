"""The program `report`: what a run is worth, from stored scores only."""
