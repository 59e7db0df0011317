"""What the host can do: the drivers, their contract, the store and the bus."""
