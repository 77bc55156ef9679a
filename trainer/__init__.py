"""The program `trainer`: makes checkpoints, fetches and shows the tutorial's images."""
