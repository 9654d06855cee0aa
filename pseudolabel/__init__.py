"""Caption video at scale with image captioners."""

__version__ = "0.1.0"
