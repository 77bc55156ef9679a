"""The program `trainer`: trains checkpoints, downloads and shows the tutorial's images."""
