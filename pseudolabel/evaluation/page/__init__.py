"""One self-contained HTML page: what was measured, every clip, and a sheet to rate some of them."""
