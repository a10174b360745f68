"""One vocabulary format per file; each reads files as data and yields entries."""
