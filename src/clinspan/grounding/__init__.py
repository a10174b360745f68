"""From mention strings to verified spans."""
