"""What leaves the project: the exported network, and smaller files of it."""

MODEL = "model.onnx"
"""What the exported network is called, in its folder and in the registry."""
INT8 = "model.int8.onnx"
"""Its convolutions in 8-bit integers; only where that is faster and loses little."""
FP16 = "model.fp16.onnx"
"""In half precision, for GPUs."""
