"""Render the JSON that ``benchmarks/runner.py`` wrote as the tables of the benchmark page.

``.. benchmark:: NAME`` becomes what the docstring of ``benchmarks/bench_NAME.py`` says of the figures,
and one table for each case of ``benchmarks/results/NAME.json``: median seconds, ratio to ours, memory
over the data, quality figures. None of it is typed by hand.
"""

import ast
import json
import statistics
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS = BENCHMARKS / "results"
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
            reason = record["error"].partition(". ")[0]
            rows.append([contender, reason, *[""] * (len(rows[0]) - 2)])
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
        script = BENCHMARKS / f"bench_{self.arguments[0]}.py"
        self.env.note_dependency(str(script))
        machine = content["machine"]
        versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
        lines = [
            *ast.get_docstring(ast.parse(script.read_text())).splitlines(),
            "",
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


def device_table(records):
    """Return the reST lines of contenders with seconds of some unit, the first of them ours."""
    unit = next(key for r in records.values() for key in r if key.startswith("seconds"))
    ours = next(iter(records.values())).get(unit)
    with_loss = any("loss" in record for record in records.values())
    per = unit.removeprefix("seconds").replace("_", " ")
    rows = [["", f"ms{per}", "times ours", *(["last loss"] if with_loss else [])]]
    for name, record in records.items():
        if "error" in record:
            rows.append([name, record["error"], *[""] * (len(rows[0]) - 2)])
            continue
        ratio = f"{record[unit] / ours:.2f}" if ours else ""
        loss = [f"{record['loss']:.4g}" if "loss" in record else ""] if with_loss else []
        rows.append([name, f"{1000 * record[unit]:.3g}", ratio, *loss])
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return [*lines, ""]


class DeviceFigures(SphinxDirective):
    """``.. device-figures:: NAME``: what ``benchmarks/NAME.py`` printed on a machine with a GPU."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        path = RESULTS / f"{name}.json"
        self.env.note_dependency(str(path))
        if not path.exists():
            text = f"No figures are stored. On a machine with a GPU: python benchmarks/{name}.py"
            return [nodes.paragraph(text, text)]
        content = json.loads(path.read_text())
        lines = [
            f"Measured on {content['date']}: {content['gpu'] or 'no GPU'}, {content['cpu_threads']} "
            f"threads of the CPU, torch {content['torch']}, Python {content['python']}.",
            "",
        ]
        for device in ("cuda", "cpu"):
            cases = content.get(device, {})
            if any(key.startswith("seconds") for r in cases.values() for key in r):
                cases = {"": cases}
            for case, records in cases.items():
                where = "GPU" if device == "cuda" else "CPU"
                lines += [f"**{where}{': ' if case else ''}{case}**", "", *device_table(records)]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source=str(path)), self.content_offset, node)
        return node.children


def setup(app):
    app.add_directive("device-figures", DeviceFigures)
    app.add_directive("benchmark", Benchmark)
    app.add_directive("ransac-accuracy", RansacAccuracy)
    return {"parallel_read_safe": True}
