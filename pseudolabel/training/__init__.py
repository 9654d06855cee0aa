"""A video captioner trained on pseudolabels: its data, its model, and how it learns."""
