"""Says of each problem whether it is present, denied, possible, somebody else's or past, by cues in the text."""
