"""The review room: tagged notes that people correct, every version of them, and the way back to pool and gold."""
