"""Learning from gold documents what an LLM's scores mean, where its dial should stand, and where mentions end."""
