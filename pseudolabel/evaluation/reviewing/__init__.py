"""What `review` shows: rows, summary, clips and the pictures of their frames."""
