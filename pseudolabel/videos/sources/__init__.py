"""From what the user typed to videos with ids: files, folders, lists, tables, datasets, URLs."""
