"""Gold examples for the prompt."""
