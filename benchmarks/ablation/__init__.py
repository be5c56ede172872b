"""Ablation studies: variants of the graph and of the training, each trained with the same budget."""
