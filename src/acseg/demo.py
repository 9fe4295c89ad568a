"""The sample photographs of `acseg demo`: those that scikit-image and scikit-learn install."""

from importlib.util import find_spec
from pathlib import Path

from acseg.errors import DataError

SAMPLES = {
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "data",
        ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png")
        + ("hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg"),
    ),
}


def sample_photographs() -> list[Path]:
    """List the sample photographs that are installed.

    Raises
    ------
    DataError
        If there is none.
    """
    found: list[Path] = []
    for package, (folder, names) in SAMPLES.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            found += [Path(spec.origin).parent / folder / name for name in names]
    found = [path for path in found if path.is_file()]
    if not found:
        raise DataError("the sample photographs are missing; pip install 'acseg[demo]'")
    return found
