"""Pools of annotated examples: built from gold documents, kept in a folder, asked for what resembles a text."""
