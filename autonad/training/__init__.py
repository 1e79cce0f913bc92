"""The one training loop, and what it needs: losses, samplers, checkpoints, records, folders."""
