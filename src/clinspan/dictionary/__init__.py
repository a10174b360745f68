"""Medical dictionaries: sources, index, matching, facts for the prompt."""
