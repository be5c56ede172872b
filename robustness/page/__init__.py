"""The demo page under more visitors than it can serve."""
