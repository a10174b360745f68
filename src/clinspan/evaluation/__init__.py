"""Scores by offsets."""
