"""Put a backbone and the generator of a RUN into src/acseg/bundled/, as float16.

    python recipes/bundle.py BACKBONE RUN [--rounds 10] [--merge 0.4] [--ground 0.44]

The last step of recipes/bundled.sh. The model card src/acseg/bundled/README.md is written by hand.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import numpy as np

from acseg.run import Run, read_run, write_run

BUNDLED = Path(__file__).resolve().parents[1] / "src" / "acseg" / "bundled"
FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def bundle(backbone: Path, run: Path, **own: float) -> None:
    """Copy the backbone, and write the RUN without classes."""
    found = read_run(run)
    (BUNDLED / "backbone").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        copyfile(backbone / name, BUNDLED / "backbone" / name)
    generator = {name: weight.astype(np.float16) for name, weight in found.generator.items()}
    settings = replace(found.settings, **own, backbone="bundled", classes="auto")  # it has none
    write_run(BUNDLED, Run(settings, generator, None, {}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backbone", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--side", type=int, default=160, help="short side of pictures in px")
    parser.add_argument("--rounds", type=int, default=10, help="of Lloyd, from the concepts")
    parser.add_argument("--merge", type=float, default=0.4, help="threshold on mean affinity")
    parser.add_argument("--ground", type=float, default=0.44, help="least score to merge at all")
    bundle(**vars(parser.parse_args()))
