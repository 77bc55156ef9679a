"""The pages of docs/reference/ that are made from the programs; `make reference` writes them."""
