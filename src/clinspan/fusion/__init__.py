"""What dictionary, encoder and LLM say of a document, weighed together: candidates, their probabilities, the best set.

It knows nothing of how a source is asked; `tagging.evidence` brings what was heard.
"""
