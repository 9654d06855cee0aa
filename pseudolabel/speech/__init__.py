"""Speech: transcripts and their readers."""
