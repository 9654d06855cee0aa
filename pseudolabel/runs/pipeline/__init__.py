"""One process, from videos to rows: fed, captioned, scored, put together, consolidated."""
