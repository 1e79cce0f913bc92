"""Generated surfaces and defects, with exact masks."""
