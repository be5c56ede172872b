"""What makes the weights: data, training loop, release; not part of the installed package."""
