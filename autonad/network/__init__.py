"""The network of one architecture, and the supernet that holds all of them."""

from autonad.network.model import AutoNADNet
from autonad.network.sharing import Sharing
from autonad.network.supernet import SuperNet

__all__ = ["AutoNADNet", "Sharing", "SuperNet"]
