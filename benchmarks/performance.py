"""How fast is it, beside what the machine can do? All tables of docs/performance.md.

    python benchmarks/performance.py                                # 15 minutes on 2 idle cores
    python benchmarks/performance.py --only loss generator          # some tables
    python benchmarks/performance.py --json runs/performance.json   # keeps the other tables there
    python benchmarks/performance.py --quick                        # does it run? No times to use

Forms that are compared are timed in turns within one run; a table shows the median over the rounds
with the range of the middle half. The machine's matrix rates and bandwidth are measured first, for
the floors. With --json, tables that were measured before stay in the file, so that a broken run
goes on with --only.
"""

import argparse
import importlib
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from speed.machine import describe, measure_rates
from speed.timing import How, markdown

TABLES = {  # name on the command line: module that measures it
    "import": "speed.importing",
    "loss": "speed.loss",
    "generator": "speed.generator",
    "training": "speed.training",
    "segment": "speed.segment",
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
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    found: dict[str, Any] = {"tables": {}}
    if args.json and args.json.exists():
        found = json.loads(args.json.read_text(encoding="utf-8"))
    machine = describe("cpu")
    print("\n".join(f"- {name}: {value}" for name, value in machine.items()), flush=True)
    rates = measure_rates("cpu", quick=args.quick)
    print(f"- matrix products: float32 {rates['float32'] / 1e9:.0f} and bfloat16 "
          f"{rates['bfloat16'] / 1e9:.0f} billion operations/s; "
          f"memory: {rates['bandwidth'] / 1e9:.0f} GB/s\n", flush=True)  # fmt: skip
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


if __name__ == "__main__":
    main()
