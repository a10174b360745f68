"""The service: one tagger behind HTTP."""
