"""One Kubeflow component per step: a task imports `autonad.steps` from its image and calls one function."""
