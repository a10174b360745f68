"""Documents in and out: corpus formats, those of one kind in one file."""
