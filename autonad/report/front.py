"""The search as a picture: every architecture that was tried, the front, and the winner."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from autonad.errors import SearchError
from autonad.files import write_text_atomic
from autonad.search.pareto import front


def plot_pareto_html(
    table: pd.DataFrame, path: Path, *, winner: str | None = None, latency_budget_ms: float | None = None
) -> None:
    """Write one self-contained HTML page: population by generation, Pareto front and winner.

    Args:
        table: `Evolution.table()`.
        path: The page, written in one step; it needs no network.
        winner: Key of the architecture that was chosen; the best score within the budget when None.
        latency_budget_ms: Drawn as a line.

    Raises:
        SearchError: The table is empty, or the winner is not in it.
        StorageError: The file cannot be written.
    """
    import plotly.graph_objects as go

    if table.empty:
        raise SearchError("the search has no evaluation to draw; run `autonad search` first")
    if winner is None:
        winner = str(table.sort_values(["feasible", "score"], ascending=False)["key"].iloc[0])
    chosen = table[table["key"] == winner]
    if chosen.empty:
        raise SearchError(f"architecture {winner} is not in the search's table; give one of its keys")

    hover = (
        "%{customdata[0]}<br>mIoU %{y:.2f} %<br>%{x:.2f} ms<br>generation %{customdata[1]}, %{customdata[2]}"
    )
    best = front(table)
    figure = go.Figure()

    def add(rows: pd.DataFrame, name: str, mode: str, **style: object) -> None:
        figure.add_scatter(
            x=rows["latency_ms"].tolist(),
            y=(100 * rows["miou"]).tolist(),
            customdata=rows[["key", "generation", "origin"]].to_numpy().tolist(),
            name=name,
            mode=mode,
            hovertemplate=f"{hover}<extra>{name}</extra>",
            **style,
        )

    bar = {"title": "generation", "x": 1.02, "y": 0.45, "len": 0.8}
    generations = table["generation"].tolist()
    population = {"color": generations, "colorscale": "Viridis", "size": 7, "opacity": 0.7, "colorbar": bar}
    add(table, "population", "markers", marker=population)
    add(best, "Pareto front", "lines+markers", line={"color": "#d62728", "shape": "hv"}, marker={"size": 7})
    star = {"symbol": "star", "size": 18, "color": "#ffbf00", "line": {"color": "black", "width": 1}}
    add(chosen, "winner", "markers", marker=star)
    if latency_budget_ms is not None:
        label = f"budget {latency_budget_ms:g} ms"
        figure.add_vline(x=latency_budget_ms, line_dash="dash", line_color="gray", annotation_text=label)
    figure.update_layout(
        title=f"{len(table)} architectures, {len(best)} on the front",
        xaxis_title="latency (ms)",
        yaxis_title="validation mIoU, inherited weights (%)",
        template="plotly_white",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    # A fixed id: plotly's own is random, and equal searches must give equal files.
    page = figure.to_html(include_plotlyjs=True, full_html=True, div_id="pareto")
    write_text_atomic(path, page)
