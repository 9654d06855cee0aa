"""From runs to the files of a release: read, counted, split, sharded, staged."""
