"""Runs: the pipeline from videos to captioned clips, and the folder it writes."""
