"""What only the whole of a run says of its rows: repeats, near-duplicates, chance."""
