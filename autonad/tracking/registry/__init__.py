"""MLflow's model registry: versions of a detector, and which of them is in use.

model_versions.py  versions: listed, added, fetched
registry.py        `Registry`: which one is in use, promoted or put back
model_files.py     a version's files as MLflow's own tools load them
shipped_code.py    the modules of ours that these need
"""
