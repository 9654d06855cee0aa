"""The dataset card: its values, its text, its figures."""
