"""Captions beside speech in figures: words, agreement, what is seen, with their intervals."""
