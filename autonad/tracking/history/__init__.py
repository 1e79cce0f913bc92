"""What MLflow remembers: executions, the last search, and what of it may go."""
