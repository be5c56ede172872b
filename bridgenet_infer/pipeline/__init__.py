"""From checked inputs to results in the caller's unit: what happens to depth around the network."""
