"""Kubeflow pipelines: wiring only; what tasks do is in `components`, and how they run in `cluster`."""
