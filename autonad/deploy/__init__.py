"""What leaves the project: the exported network."""

MODEL = "model.onnx"
"""What the exported network is called, in its folder and in the registry."""
