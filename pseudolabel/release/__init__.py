"""Releases: a versioned dataset made of runs, checked, compared and pushed to the Hub."""
