"""Training of the weights: data, training loop and release. It is not part of the installed package."""
