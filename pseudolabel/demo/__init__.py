"""A synthetic world with known truth, and the small captioner that knows it."""
