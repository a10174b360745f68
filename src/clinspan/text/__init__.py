"""Cutting text: tokens, sentences, windows."""
