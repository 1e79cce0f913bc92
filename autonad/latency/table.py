"""The latency table: what every operator costs at every place, measured or learnt from training records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import ConfigDict, Field

from autonad.errors import LatencyError, StorageError, one_line
from autonad.files import write_atomic
from autonad.latency.costs import Costs, ProfileCosts, RecordCosts
from autonad.latency.quality import REMEDY
from autonad.latency.sums import Calibration
from autonad.latency.target import Target
from autonad.reading.bounds import parse_json
from autonad.reading.shape_checks import Shape, check_shape
from autonad.reading.table_checks import COUNT, TEXT, Column, Kind, read_metadata, read_table
from autonad.space import Architecture

Making = Literal["profile", "records"]

# One row per cost. Stages and blocks count from 0. What does not apply to a part is missing.
COLUMNS: dict[str, str] = {
    "part": "string",  # block, edge, stem, rest; from records also width, ffn
    "stage": "Int64",
    "block": "Int64",
    "edge": "string",
    "operator": "string",
    "kernel": "Int64",
    "in_width": "Int64",
    "width": "Int64",
    "ffn_ratio": "Float64",
    "side": "Int64",  # output side of a pooling branch
    "resolution": "Float64",  # side of the features (of the rest, the finest) over the input's
    "scale": "Float64",  # of the input, for the first stem
    "stem_stride": "Int64",  # of the first stem
    "stages": "Int64",  # of the encoder, for the rest
    "ms": "float64",
    "n": "int64",  # timed samples, or training records
    "spread": "float64",  # standard deviation, ms; measured: from the quartiles
    "stderr": "float64",  # standard error of `ms`, ms
}
METADATA = b"autonad"
LEARNT = "they come from the records of supernet training, whole batches on its host: no pass on the target"
_KINDS: dict[str, Kind] = {"string": "text", "Int64": "count", "Float64": "number"}
_TABLE = {
    **{name: Column(_KINDS[kind], least=0, empty=True) for name, kind in COLUMNS.items() if kind in _KINDS},
    "part": TEXT,
    "n": COUNT,
    # An effect that was learnt from records may be a little less than nothing.
    "ms": Column("number", least=-1e9, most=1e9),
    **dict.fromkeys(("spread", "stderr"), Column("number", least=0, most=1e9)),
}


class CalibrationFile(Shape):
    """A calibration as JSON."""

    model_config = ConfigDict(extra="forbid")

    slope: float
    offset: float
    rank_correlation: float = Field(ge=-1, le=1)
    error: float = Field(ge=0)
    points: list[Annotated[list[str | float], Field(min_length=3, max_length=3)]]


class QualityFile(Shape):
    """What a table says about how well it was measured."""

    faults: list[str] = Field([])


class ContextFile(Shape):
    """What the numbers of a table depend on."""

    target: Target | None = None
    measured_on: Target | None = None
    quality: QualityFile | None = None
    space: str | None = None
    input_size: list[int] | None = None


class TableFile(Shape):
    """What a table says about itself."""

    source: Making
    calibration: CalibrationFile | None
    context: ContextFile


@dataclass(frozen=True)
class LatencyTable:
    """Costs as rows, and the prediction that follows from them.

    Attributes:
        rows: One per cost, with at least the columns in `COLUMNS`.
        source: "profile" (measured on the target) or "records" (supernet training).
        calibration: From whole networks; None when none was measured.
        context: What the numbers depend on: target, input size, classes, space key.
    """

    rows: pd.DataFrame
    source: Making
    calibration: Calibration | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.rows.columns]
        if missing or self.rows.empty:
            what = f"lacks the columns {', '.join(missing)}" if missing else "has no rows"
            raise LatencyError(f"the latency table {what}; run `autonad profile-latency` again")

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows with the columns and types of `COLUMNS`, numbered from 0."""
        return self.rows[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is to be known before the figures are believed, a sentence each; empty for a good table."""
        faults = tuple((self.context.get("quality") or {}).get("faults", ()))
        if self.source == "records":
            faults = (LEARNT, *faults)
        elsewhere = self.context.get("measured_on")
        if elsewhere is None:
            return faults
        there, meant = Target.model_validate(elsewhere), Target.model_validate(self.context["target"])
        marked = (
            f"they were measured on another machine than target {meant.name!r}: {meant.differences(there)}"
        )
        return marked, *faults

    @property
    def _plain(self) -> list[dict[str, Any]]:
        plain = self.frame.astype(object).where(self.frame.notna(), None)
        return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]

    @cached_property
    def _costs(self) -> Costs:
        return ProfileCosts(self._plain) if self.source == "profile" else RecordCosts(self._plain)

    def raw(self, architecture: Architecture) -> float:
        """Sum of an architecture's pieces in ms, before calibration.

        Raises:
            LatencyError: The table has no row for one of its choices.
        """
        return self._costs.total(architecture)

    def predict(self, architecture: Architecture) -> float:
        """Predicted latency of a whole network in ms; never below zero.

        Raises:
            LatencyError: The table has no row for one of its choices.
        """
        total = self.raw(architecture)
        if self.calibration is not None:
            total = self.calibration.slope * total + self.calibration.offset
        return max(0.0, total)

    def operator_costs(self) -> pd.DataFrame:
        """Mean cost of every operator at every place, over widths and ratios: the latency map of Fig. 5.

        Returns:
            Columns stage, block (missing for edges), edge (missing for blocks), mixer, operator, ms, n,
            stderr.
        """
        frame = self.frame[self.frame["part"].isin(["block", "edge"])].copy()
        frame["mixer"] = frame["operator"] + frame["kernel"].astype("string").fillna("")
        frame["variance"] = frame["stderr"] ** 2
        places = ["stage", "block", "edge", "mixer", "operator"]
        groups = frame.groupby(places, dropna=False, sort=False)
        result = groups.agg(
            ms=("ms", "mean"), n=("n", "sum"), variance=("variance", "sum"), rows=("ms", "size")
        )
        result["stderr"] = result["variance"] ** 0.5 / result["rows"]
        return result.reset_index().drop(columns=["variance", "rows"])

    def check_made_for(self, space_key: str, size: tuple[int, int], target: Target) -> None:
        """Make sure that a profiled table is of a space, an input size (height, width), pixels, and a target.

        Raises:
            LatencyError: It is of another; says which.
        """
        if self.source != "profile":
            return
        if (given := self.context.get("target")) is not None:
            meant = Target.model_validate(given)
            if meant.hardware_key != target.hardware_key:
                raise LatencyError(
                    f"the latency table was measured for another target than the target.json beside it says "
                    f"({meant.differences(target)}); give the folder as `autonad profile-latency` wrote it"
                )
        for what, there, here in (
            ("search space", self.context["space"], space_key),
            ("input size", list(self.context["input_size"]), list(size)),
        ):
            if there != here:
                raise LatencyError(
                    f"the latency table was measured for {what} {there}, the supernet has {here}; run "
                    "`autonad profile-latency` with the supernet's parameters"
                )

    def check_budget(self, latency_budget_ms: float | None, accept_noise: bool) -> None:
        """Make sure that a latency budget can be kept by this table.

        Args:
            latency_budget_ms: The budget, ms; None without one.
            accept_noise: Whether a table that was not measured well will do.

        Raises:
            LatencyError: It was not measured well, or not on the target.
        """
        if self.cautions and latency_budget_ms is not None and not accept_noise:
            raise LatencyError(
                f"search.latency_budget_ms = {latency_budget_ms:g} cannot be kept by a latency table that "
                f"says: {'; '.join(self.cautions)}. Run `autonad profile-latency` again: {REMEDY}; or set "
                "profile_latency.accept_noise=true"
            )

    def save(self, path: Path) -> None:
        """Write the table as parquet, in one step; equal tables give equal bytes.

        Raises:
            StorageError: The file cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        about = {
            "source": self.source,
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "context": dict(self.context),
        }
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        metadata = {**(table.schema.metadata or {}), METADATA: json.dumps(about, sort_keys=True).encode()}
        write_atomic(
            path, lambda temporary: pq.write_table(table.replace_schema_metadata(metadata), temporary)
        )

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a table that `save` wrote.

        Raises:
            StorageError: The file is missing.
            LatencyError: It is no latency table, or a figure of it is none.
        """
        try:
            rows = read_table(path, _TABLE)
            about = check_shape(parse_json(read_metadata(path, METADATA)), TableFile)
            calibration = about["calibration"]
            if calibration is not None:
                points = tuple(
                    (str(key), float(total), float(ms)) for key, total, ms in calibration["points"]
                )
                calibration = Calibration(**{**calibration, "points": points})
        except FileNotFoundError as error:
            raise StorageError(
                f"the latency table is not at {path}; run `autonad profile-latency`"
            ) from error
        except (OSError, ValueError) as error:
            raise LatencyError(
                f"{path} is no latency table ({one_line(error)}); give the table.parquet of `autonad "
                "profile-latency`, or run that again"
            ) from error
        return cls(rows, about["source"], calibration, about["context"])
