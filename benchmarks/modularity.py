"""What does summing the modularity loss over tiles save? Time and memory against the dense forms.

    python benchmarks/modularity.py                               # the table of docs/performance.md
    python benchmarks/modularity.py --pixels 3136 --concepts 8
    python benchmarks/modularity.py --device cuda                 # the Triton kernel, B = 32

Every form is timed once a round, so that what else the machine does meets all alike.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from speed.loss import CONCEPTS, DIM, PIXELS, measure
from speed.machine import describe, measure_rates
from speed.timing import How, markdown


def main() -> None:
    """Read the settings and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pixels", type=int, nargs="+", default=PIXELS, help="N of each row")
    parser.add_argument("--dim", type=int, default=DIM, help=f"D ({DIM})")
    parser.add_argument("--concepts", type=int, default=CONCEPTS, help=f"k ({CONCEPTS})")
    parser.add_argument("--batch", type=int, help="B (1 on a CPU, 32 on a GPU)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=9, help="timings of each form (9)")
    parser.add_argument("--threads", type=int, help="of torch (all cores)")
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    print(describe(args.device))
    rates = measure_rates(args.device, quick=args.quick)
    print({name: f"{rate / 1e9:.0f} G/s" for name, rate in rates.items()}, "\n")
    rounds = 2 if args.quick else args.rounds
    with tempfile.TemporaryDirectory() as folder:
        how = How(args.quick, rounds, args.device, rates, Path(folder))
        sizes = tuple(args.pixels)
        for table in measure(how, pixels=sizes, batch=args.batch, dim=args.dim, k=args.concepts):
            print(markdown(table))


if __name__ == "__main__":
    main()
