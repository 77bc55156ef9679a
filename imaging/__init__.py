"""Images: which ones exist, where their bytes are, and how bytes become a tensor."""
