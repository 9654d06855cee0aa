"""How good captions are: against transcripts, against references, on a page."""
