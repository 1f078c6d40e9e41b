"""Render the JSON that ``benchmarks/runner.py`` wrote as the tables of the benchmark page.

``.. benchmark:: NAME`` becomes one table per case of ``benchmarks/results/NAME.json``: median
seconds, ratio to ours, memory over the data, quality figures. None of it is typed by hand.
"""

import json
import statistics
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
OURS = "sklearn-extra-ml"


def table(case):
    """Return the reST lines of one case."""
    records = case["contenders"]
    names = sorted({key for r in records.values() for key in r.get("quality", ())})
    ours = records.get(OURS, {}).get("seconds")
    reference = statistics.median(ours) if ours else None
    lines = [f"**{case['case']}**", ""]
    lines += [case["note"], ""] if case["note"] else []
    lines += [".. list-table::", "   :header-rows: 1", ""]
    rows = [["", "median s", "times ours", "MiB", *names]]
    for contender, record in records.items():
        if "error" in record:
            rows.append([contender, record["error"], *[""] * (len(rows[0]) - 2)])
            continue
        median = statistics.median(record["seconds"])
        ratio = f"{median / reference:.2f}" if reference else ""
        quality = [f"{record['quality'][n]:.6g}" if n in record["quality"] else "" for n in names]
        rows.append([contender, f"{median:.4g}", ratio, f"{record['memory_mib']:.0f}", *quality])
    for row in rows:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return [*lines, ""]


class Benchmark(SphinxDirective):
    """``.. benchmark:: NAME``."""

    required_arguments = 1

    def run(self):
        path = RESULTS / f"{self.arguments[0]}.json"
        self.env.note_dependency(str(path))
        if not path.exists():
            text = f"No figures are stored. Measure with: make bench BENCH={self.arguments[0]}"
            return [nodes.paragraph(text, text)]
        content = json.loads(path.read_text())
        machine = content["machine"]
        versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
        lines = [
            f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
            f"{machine['simd_path']}, Python {machine['python']}; {versions}.",
            "",
        ]
        for case in content["results"]:
            lines += table(case)
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source=str(path)), self.content_offset, node)
        return node.children


class RansacAccuracy(SphinxDirective):
    """``.. ransac-accuracy::``: ``benchmarks/results/ransac_accuracy.json`` as one table."""

    def run(self):
        path = RESULTS / "ransac_accuracy.json"
        self.env.note_dependency(str(path))
        content = json.loads(path.read_text())
        best = "least squares on the true inliers"
        names = [name for name in content["results"][0]["errors"] if name != best]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        rows = [["outliers", "features", "noise", "share", *names]]
        for cell in content["results"]:
            errors = cell["errors"]
            ratios = [f"{errors[name] / errors[best]:.2f}" for name in names]
            where = [cell["kind"], cell["n_features"], cell["noise"], f"{cell['share']:.0%}"]
            rows.append([*where, *ratios])
        for row in rows:
            lines += [f"   {'* -' if i == 0 else '  -'} {value}" for i, value in enumerate(row)]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source=str(path)), self.content_offset, node)
        return node.children


def setup(app):
    app.add_directive("benchmark", Benchmark)
    app.add_directive("ransac-accuracy", RansacAccuracy)
    return {"parallel_read_safe": True}
