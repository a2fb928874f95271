"""A heap over a trace's length as an SVG picture: what the kernel gave, what is live, and what neither the program nor the kernel has.

matplotlib draws it, an extra of the package (pip install vmtool[plot]).
"""

import io
from collections.abc import Sequence

MB = 1 << 20
LINES = ((1, "from the kernel"), (6, "resident"), (2, "live"), (5, "not live, below a live block"), (3, "in holes"))


def save(rows: Sequence[Sequence[int]]) -> bytes:
    """The rows of the sampler: operations, then bytes. The same rows give the same bytes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "vmtool", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5))
    axes = figure.add_subplot()
    for column, label in LINES:
        axes.plot([row[0] for row in rows], [row[column] / MB for row in rows], label=label, linewidth=1.2)
    axes.set_xlabel("operations")
    axes.set_ylabel("MB")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
