"""The program `report`: how good a run is, from its stored scores only."""
