"""Packing a kit: every piece of a space and the networks that calibrate it, as ONNX files without weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from autonad.latency.device_kit import Index, Kit, Model, PieceRows, WholeNetwork, zipped
from autonad.latency.measured import FORMAT, Subject
from autonad.latency.pieces import piece_groups
from autonad.latency.placeholders import Placeholder
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.stratified import stratified
from autonad.latency.turns import Log
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.space import Architecture, SearchSpace

# Smaller constants stay in the file: shapes, scales, and what an optimiser of a runtime looks at.
LARGE = 64


def calibration_networks(space: SearchSpace, settings: ProfileSettings) -> list[Architecture]:
    """The space's extremes and, cheapest first, members between; none where the settings ask for none."""
    if not settings.networks:
        return []
    between = stratified(space, settings.networks - 2, np.random.default_rng(settings.seed))
    return [space.smallest(), *between, space.largest()]


def reference_network(space: SearchSpace, settings: ProfileSettings) -> Architecture:
    """The network that is timed among all others: neither mere starts of operators nor mere arithmetic."""
    networks = calibration_networks(space, settings)
    return networks[len(networks) // 2] if networks else space.smallest()


def pack_kit(space: SearchSpace, subject: Subject, log: Log = lambda what, done, total: None) -> Kit:
    """Pack a kit.

    Args:
        space: Whose choices.
        subject: What is to be measured of it.
        log: Receives what is being packed, how many are done and how many there are.

    Raises:
        ExportError: A piece holds an operation that ONNX cannot express.
    """
    settings, num_classes, input_size = subject.settings, subject.num_classes, subject.input_size
    groups, panel = piece_groups(space, num_classes, input_size), calibration_networks(space, settings)
    box, done, total = _Box(), 0, sum(map(len, groups)) + len(panel)
    # Weights are drawn from a generator of their own: packing must not change the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        nothing = box.add(nn.ReLU(), (1, 1, 1, 1))
        shape = (1, 3, *input_size)
        reference = box.add(AutoNADNet(reference_network(space, settings), num_classes), shape)
        packed = []
        for group in groups:
            packed.append(
                tuple(PieceRows(model=box.add(one.build(), one.shape), rows=one.rows) for one in group)
            )
            done += len(group)
            log("pieces packed", done, total)
        networks = tuple(
            WholeNetwork(model=box.add(AutoNADNet(one, num_classes), shape), architecture=one.to_dict())
            for one in panel
        )
    archive = zipped(box.contents)
    index = Index(
        format=FORMAT,
        subject=subject,
        models=box.models,
        nothing=nothing,
        reference=reference,
        groups=tuple(packed),
        networks=networks,
        models_sha256=hashlib.sha256(archive).hexdigest(),
    )
    return Kit(index, archive)


@dataclass
class _Box:
    """Models by a name that says what is in them, so that equal ones are there once."""

    models: dict[str, Model] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def add(self, module: nn.Module, shape: Sequence[int]) -> str:
        """Export a module; returns its name."""
        content, placeholders = without_weights(module_to_onnx(module, shape))
        model = Model(shape=tuple(shape), placeholders=placeholders)
        name = hashlib.sha256(content + model.model_dump_json().encode()).hexdigest()[:12]
        self.models[name], self.contents[name] = model, content
        return name


def without_weights(content: bytes) -> tuple[bytes, tuple[Placeholder, ...]]:
    """An ONNX file without its large weights, and what must be put in their place.

    Returns:
        The file, and a placeholder for each weight that `autonad.latency.placeholders.filled` appends.
    """
    model = onnx.load_from_string(content)
    kept, placeholders = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < LARGE:
            kept.append(tensor)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float64)
        placeholders.append(
            Placeholder(
                name=tensor.name,
                dims=tuple(tensor.dims),
                # Three digits: torch's generator shall not make another kit of what is the same.
                mean=float(f"{values.mean():.3g}"),
                std=float(f"{values.std():.3g}"),
            )
        )
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model.SerializeToString(deterministic=True), tuple(placeholders)
