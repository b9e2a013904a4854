"""Search for the params that give the least value: spaces, samplers, noise."""
