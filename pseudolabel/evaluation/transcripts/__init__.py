"""Transcripts of many videos: found by id, and kept in a folder."""
