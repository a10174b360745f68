"""Documents in and out: one file per corpus format."""
