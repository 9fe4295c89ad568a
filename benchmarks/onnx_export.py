"""Whether the exported graph draws what PyTorch draws, on photographs.

    python benchmarks/onnx_export.py ../shared/labelled --images 50

Exports the bundled model (or --run RUN) as ONNX, draws photographs of the folder with ONNX Runtime
and with PyTorch in float32, and prints for each the share of pixels with the same label.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from acseg.export.onnx import export_onnx
from acseg.images.read import read_image
from acseg.images.walk import find_images
from acseg.model import ACSeg


def main() -> None:
    """Print the table, and write it as JSON if asked for."""
    import onnxruntime

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where photographs are, at any depth")
    parser.add_argument("--run", type=Path, help="a RUN; default: the bundled model")
    parser.add_argument("--images", type=int, default=50, help="spread evenly over the folder")
    parser.add_argument("--json", type=Path, help="file to write")
    told = parser.parse_args()
    sources, _ = find_images([told.folder])
    sources = [s for s in sources if "masks" not in s.path.parts]
    sources = sources[:: max(1, len(sources) // told.images)][: told.images]
    model = ACSeg.load(told.run, precision="float32", runtime="torch")
    draw = model.segment if model.centres_ is None else model.predict
    output = "concepts" if model.centres_ is None else "classes"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(told.run or "bundled", Path(folder) / "model.onnx")
        size = path.stat().st_size
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for source in sources:
        photo = read_image(source.path)
        (found,) = session.run([output], {"photos": photo[None]})
        same = float((found[0] == draw(photo).labels).mean())
        rows.append({"path": source.relative, "same": same})
        print(f"{same:8.5f}  {source.relative}", flush=True)
    shares = np.array([row["same"] for row in rows])
    print(
        f"{len(rows)} photographs, {size / 1e6:.1f} MB: {100 * shares.mean():.3f} % of the pixels "
        f"the same, least {100 * shares.min():.3f} %, {(shares < 0.999).sum()} below 99.9 %"
    )
    if told.json:
        told.json.write_text(json.dumps({"output": output, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
