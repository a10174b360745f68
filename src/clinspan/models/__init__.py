"""Models by name: a registry of what they are and where they come from, and the one command that fetches them."""
