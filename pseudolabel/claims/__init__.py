"""The paper's claims, tried: one captioner from each kind of text, compared on a test set."""
