"""Real RGB-D data, which lies outside the project."""
