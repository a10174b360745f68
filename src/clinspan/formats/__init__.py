"""Prompt formats: each writes and reads in one file."""
