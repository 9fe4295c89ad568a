"""How fast is it, beside what the machine can do? All tables of docs/performance.md.

    python benchmarks/performance.py                                # 25 minutes on 2 idle cores
    python benchmarks/performance.py --only loss generator          # some tables
    python benchmarks/performance.py --json runs/performance.json   # keeps the other tables there
    python benchmarks/performance.py --json runs/performance.json --docs docs/performance.md
    python benchmarks/performance.py --quick                        # does it run? No times to use

Forms that are compared are timed in turns within one run; a table shows the median over the rounds
with the range of the middle half. The machine's matrix rates and bandwidth are measured first, for
the floors. With --json, tables that were measured before stay in the file, so that a broken run
goes on with --only. --docs puts all of them between the two marks of a page.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from speed.machine import describe, header, measure_rates
from speed.timing import How, Table, markdown

MARK = "<!-- tables of benchmarks/performance.py -->"
TABLES = {  # name on the command line: module that measures it
    "import": "speed.importing",
    "loss": "speed.loss",
    "generator": "speed.generator",
    "training": "speed.training",
    "runtimes": "speed.runtimes",
    "segment": "speed.segment",
    "plain": "speed.plain",
    "memory": "speed.memory",
}


def main() -> None:
    """Read the settings, measure table after table, print and keep each at once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE")
    parser.add_argument("--rounds", type=int, default=9, help="timings of each form (9)")
    parser.add_argument("--threads", type=int, help="of torch (all cores)")
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    parser.add_argument("--json", type=Path, help="write all numbers here, too")
    parser.add_argument("--docs", type=Path, help="write all tables into this page")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    found: dict[str, Any] = {"tables": {}}
    if args.json and args.json.exists():
        found = json.loads(args.json.read_text(encoding="utf-8"))
    machine = describe("cpu")
    rates = measure_rates("cpu", quick=args.quick)
    print(header(machine, rates), flush=True)
    for name in args.only:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            how = How(args.quick, 2 if args.quick else args.rounds, "cpu", rates, Path(folder))
            tables = importlib.import_module(TABLES[name]).measure(how)
        print("\n".join(markdown(table) for table in tables), flush=True)
        print(f"({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)
        for table in tables:
            found["tables"][table.name] = asdict(table) | {"machine": machine, "rates": rates}
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        if args.docs:
            into_page(args.docs, found["tables"])


def into_page(page: Path, tables: dict[str, Any]) -> None:
    """Replace what lies between the two marks of a page by the tables."""
    parts = page.read_text(encoding="utf-8").split(MARK)
    if len(parts) != 3:
        sys.exit(f"{page} must hold the line {MARK} twice; the tables go between")
    shown = []
    for one in tables.values():
        about = header(one["machine"], one["rates"])
        if about not in shown:  # tables of one run share it
            shown.append(about)
        shown.append(markdown(Table(one["name"], one["title"], one["rows"], one["notes"])))
    page.write_text(f"{MARK}\n\n".join([parts[0], "\n".join(shown) + "\n", ""]) + parts[2].lstrip())


if __name__ == "__main__":
    main()
