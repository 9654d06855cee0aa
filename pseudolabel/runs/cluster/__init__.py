"""Many processes with Ray, on one machine or several: shards, actors, and their driver."""
