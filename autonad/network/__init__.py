"""The network of one architecture, and the supernet that holds all of them."""

import os as _os

from autonad.network.model import AutoNADNet
from autonad.network.sharing import Sharing
from autonad.network.supernet import SuperNet

__all__ = ["AutoNADNet", "Sharing", "SuperNet"]

# oneDNN compiles a kernel for every shape of a convolution, and keeps 1,024 of them unless this is set before
# its first one: far fewer than the paths of a supernet need.
_os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
