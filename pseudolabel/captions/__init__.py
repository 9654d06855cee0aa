"""Text only: how frame captions become the caption of a clip."""
