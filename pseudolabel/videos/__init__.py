"""Videos: listing, cutting into clips, choosing frames, decoding in worker processes."""
