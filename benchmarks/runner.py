"""Measure ours and each peer in the same run, and write what was measured as JSON.

``python benchmarks/runner.py [NAME ...] [--cases TEXT] [--update] [--repeats N]`` runs the modules
``bench_NAME.py`` beside this file (all of them by default). Such a module holds ``CASES``, a list
of `Case`. For every case, each contender runs in a process of its own: it builds the data, runs
once to warm up (import, JIT, thread pools), then `repeats` times; wall times, the growth of the
resident memory over the data and the quality figures go to ``results/NAME.json``, from which the
documentation renders its benchmark page. A contender that is not installed is named as missing,
one that fails or exceeds the time limit is reported so; neither stops the run.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
OURS = "sklearn-extra-ml"
PEERS = (
    "sklearn-extra-ml numpy scipy scikit-learn scikit-learn-intelex faiss-cpu hdbscan fast_hdbscan "
    "quitefastmst openTSNE hmmlearn pomegranate numba torch skorch mixed-naive-bayes wnb"
).split()


@dataclass
class Case:
    """One measured task: a data set, and one function for each contender.

    `make` returns the data (a dict, seeded); each contender takes it and returns a result, and
    that call is what is timed; `quality` turns data and result into named figures, untimed. Peers
    that take minutes run `peer_repeats` times.
    """

    name: str
    make: Callable[[], dict]
    contenders: dict[str, Callable]
    quality: Callable[[dict, object], dict]
    repeats: int = 5  # 0: the first run is the measurement
    # Of all but ours, for peers that take minutes, or of those named; None: as ours.
    peer_repeats: int | dict[str, int] | None = None
    timeout: float = 600.0
    note: str = ""


def peak_memory_mib():
    """Return the highest resident memory of this process since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak_memory():
    Path("/proc/self/clear_refs").write_text("5")


def work(module, case_name, contender, repeats):
    """Run one contender on one case in this process and return its record."""
    case = next(c for c in importlib.import_module(module).CASES if c.name == case_name)
    run = case.contenders[contender]
    data = case.make()
    reset_peak_memory()
    before = peak_memory_mib()
    start = time.perf_counter()
    result = run(data)
    first = time.perf_counter() - start
    memory = peak_memory_mib() - before
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run(data)
        seconds.append(time.perf_counter() - start)
    return {
        "seconds": seconds or [first],
        "first_seconds": first,
        "memory_mib": memory,
        "quality": {k: float(v) for k, v in case.quality(data, result).items()},
    }


def measure(module, case, contender, repeats):
    """Run `work` in a process of its own; a failure becomes a record too."""
    command = [sys.executable, __file__, "--worker", module, case.name, contender, str(repeats)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=case.timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {case.timeout:.0f} s"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "died"}
    return json.loads(done.stdout.splitlines()[-1])


def machine():
    """Return what the figures depend on: processor, cores, versions, date."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    versions = {}
    for name in PEERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    from sklearn_extra_ml._native._build_info import build_info

    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "simd_path": build_info()["simd_path"],
        "versions": versions,
        "date": date.today().isoformat(),
    }


def show(contender, record, reference):
    """Print one line for one contender; the ratio says how much slower than ours it is."""
    if "error" in record:
        print(f"  {contender:24s} {record['error']}", flush=True)
        return
    median = statistics.median(record["seconds"])
    ratio = f"{median / reference:8.2f}x" if reference else " " * 9
    quality = "  ".join(f"{k}={v:.6g}" for k, v in record["quality"].items())
    print(
        f"  {contender:24s} {median:10.4f} s {ratio} {record['memory_mib']:9.1f} MiB  {quality}",
        flush=True,
    )


def run_module(name, text, repeats, update):
    """Measure every case of ``bench_<name>.py`` and write ``results/<name>.json``.

    Where only cases with `text` are measured, the file is left alone, or with `update` keeps the
    other cases that it has; the machine and the date in it are those of the last run.
    """
    module = importlib.import_module(f"bench_{name}")
    results = []
    for case in module.CASES:
        if text and text not in case.name:
            continue
        print(f"{name}: {case.name}", flush=True)
        records, reference = {}, None
        for contender in case.contenders:
            usual = case.repeats
            if isinstance(case.peer_repeats, dict):
                usual = case.peer_repeats.get(contender, usual)
            elif contender != OURS and case.peer_repeats is not None:
                usual = case.peer_repeats
            record = measure(module.__name__, case, contender, repeats or usual)
            if contender == OURS and "error" not in record:
                reference = statistics.median(record["seconds"])
            records[contender] = record
            show(contender, record, reference)
        results.append({"case": case.name, "note": case.note, "contenders": records})
    target = HERE / "results" / f"{name}.json"
    if text and not update:
        return
    if text and target.exists():
        kept = {r["case"]: r for r in json.loads(target.read_text())["results"]}
        kept |= {r["case"]: r for r in results}
        results = [kept[case.name] for case in module.CASES if case.name in kept]
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="which bench_NAME.py to run; all by default")
    parser.add_argument("--cases", default="", help="only cases with this text; writes no file")
    parser.add_argument("--update", action="store_true", help="... but merges them into it")
    parser.add_argument("--repeats", type=int, default=0, help="override each case's own number")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        module, case, contender, repeats = arguments.worker
        try:
            record = work(module, case, contender, int(repeats))
        except ImportError as error:
            record = {"error": f"not installed: {error.name or str(error).splitlines()[0]}"}
        except Exception as error:
            traceback.print_exc()
            record = {"error": f"{type(error).__name__}: {error}"[:200]}
        print("\n" + json.dumps(record))
        return
    every = sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py"))
    for name in arguments.names or every:
        run_module(name, arguments.cases, arguments.repeats, arguments.update)


if __name__ == "__main__":
    main()
