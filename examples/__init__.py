"""Example pairs rendered by the project, and what one can do with them."""
