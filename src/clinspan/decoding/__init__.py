"""Decoding that can only copy, where logits are at hand; and what a copy is made of, for grammars too."""
