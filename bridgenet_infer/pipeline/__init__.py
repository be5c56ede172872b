"""The steps around the network, from the check of the inputs to results in the caller's unit."""
