"""AutoNAD designs a surface-defect detector for your images and for the device that will run it.

Importing the package is cheap: torch and the other heavy libraries are imported by the subpackages that
need them (``autonad.network``, ``autonad.training``, …), never here.
"""

import os as _os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime reports models to its maker by default, unless this is set before it is loaded.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
