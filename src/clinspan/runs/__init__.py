"""Runs that survive: what was asked and answered is kept, so that nothing is lost and nothing is asked twice."""
