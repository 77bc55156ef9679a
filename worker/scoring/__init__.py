"""From a leased batch to stored scores."""
