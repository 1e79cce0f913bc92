"""What leaves the project: the exported network."""
