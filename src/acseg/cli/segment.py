"""acseg demo, acseg segment."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, Inputs, Out, Precision, app
from acseg.cli.say import count, tell


@app.command(epilog="Example:  acseg demo -o demo-out")
def demo(out: Out = Path("demo-out"), device: Device = "auto") -> None:
    """Segment the sample photographs that come with scikit-image and scikit-learn."""
    from acseg.demo import sample_photographs

    samples = [str(path) for path in sample_photographs()]
    _segment(samples, out, None, device, "auto", "Sample photographs")


@app.command(epilog="Example:  acseg segment photos/ -o out/")
def segment(
    inputs: Inputs,
    out: Out,
    model: Annotated[
        Path | None, typer.Option(help="A RUN that fit wrote. Default: the bundled model.")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the concepts of each picture, for each on its own."""
    _segment(inputs, out, model, device, precision, "Concepts")


def _segment(
    inputs: list[str], out: Path, run: Path | None, device: str, precision: str, title: str
) -> None:
    from acseg.collection import run_collection
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, device=device, precision=precision)
    with progress_bar() as bar:
        outcome = run_collection(model, inputs, out, title=title, progress=bar)
    tell(outcome, f"{count(outcome.written, 'picture')}, {outcome.concepts:.1f} concepts each")
