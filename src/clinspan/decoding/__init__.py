"""Decoding that can only copy: grammars for servers, draft-by-copy where logits are at hand."""
