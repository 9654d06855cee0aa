"""Captions against human references: readers, matching, and the scorers of pycocoevalcap."""
