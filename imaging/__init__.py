"""Images: which ones there are, where their bytes lie, and how bytes become a tensor."""
