"""What changed between two releases, and which version that calls for."""
