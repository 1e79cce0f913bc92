"""What networks cost on the device that will run them, and what follows from it for sampling.

Import from the modules themselves: `target` and `runtime` work without torch and pandas, the others do not.
"""
