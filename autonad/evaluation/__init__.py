"""How good a detector is: numbers only, and how sure they are."""
