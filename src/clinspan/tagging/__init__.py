"""The way of a note through every stage: windows, prompt, LLM, reading, grounding, merging."""
