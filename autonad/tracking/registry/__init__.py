"""MLflow's model registry: versions of a detector, and which of them is in use."""
