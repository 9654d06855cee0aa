"""Image captioners: the protocol, and its backends."""
