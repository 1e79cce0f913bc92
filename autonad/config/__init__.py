"""params.yaml as frozen, validated models: every number has one place, a unit and a range."""

from autonad.config.design_sections import (
    LatencyConfig,
    RetrainConfig,
    SearchConfig,
    SupernetConfig,
    TrainingConfig,
)
from autonad.config.loading import Config, load_config, parse_config
from autonad.config.sections import DecideConfig, InputConfig, RegisterConfig

__all__ = [
    "Config",
    "DecideConfig",
    "InputConfig",
    "LatencyConfig",
    "RegisterConfig",
    "RetrainConfig",
    "SearchConfig",
    "SupernetConfig",
    "TrainingConfig",
    "load_config",
    "parse_config",
]
