"""The one way into a dataset: arrival, checks, groups, commit, and what is remembered of it."""
