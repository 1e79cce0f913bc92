"""How much a profile measures."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autonad.errors import LatencyError


class ProfileSettings(BaseModel):
    """How much is measured.

    Attributes:
        warmup: Calls that are not timed: of each piece before all rounds, of each whole network before each
            of its turns. In a round the first call of a piece is not timed either.
        repeats: Samples of each piece over all rounds, at least three per round.
        rounds: Rounds.
        piece_seconds: Upper bound of the timed seconds per piece.
        networks: Whole networks that calibrate the sums, at least 4; or 0 for no calibration.
        network_repeats: Timed calls of each whole network, over all visits.
        network_seconds: Upper bound of the timed seconds per whole network.
        seed: Of the networks that are drawn, and of all weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    warmup: int = Field(3, ge=0)
    repeats: int = Field(20, ge=1)
    rounds: int = Field(5, ge=1)
    piece_seconds: float = Field(0.25, gt=0)
    networks: int = Field(16, ge=0)
    network_repeats: int = Field(30, ge=1)
    network_seconds: float = Field(2.0, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _enough(self) -> ProfileSettings:
        if 0 < self.networks < 4:
            raise LatencyError(
                f"calibration with {self.networks} networks is no calibration; use at least 4, or 0 for none"
            )
        return self
