"""Finds the entities in clinical and biomedical text with language models, and verifies every one of them."""
