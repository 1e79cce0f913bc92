"""How good a detector is: metrics, their uncertainty, and the report."""
