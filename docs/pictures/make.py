"""Draw the contact sheets of the README and of the model card with the bundled model.

Without arguments it writes demo.jpg, of the sample photographs; with ``--card PHOTOS`` it writes
card.jpg, thirty of the photographs that the model was trained on.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from acseg import ACSeg
from acseg.demo import sample_photographs
from acseg.images.read import read_image
from acseg.report.sheet import contact_sheet

HERE = Path(__file__).parent
SETS = ("caltech101", "clothing", "food", "grocery")


def spread(photos: Path, count: int) -> list[Path]:
    """Pick photographs evenly from each set below a folder."""
    picked: list[Path] = []
    for n, name in enumerate(SETS):
        files = sorted((photos / name).glob("*.jpg"))
        share = count // len(SETS) + (n < count % len(SETS))
        picked += [files[i] for i in np.linspace(7, len(files) - 8, share).astype(int)]
    return picked


def draw(paths: list[Path], columns: int, side: int) -> Image.Image:
    """Segment photographs with the bundled model and lay them out beside their overlays."""
    model = ACSeg.load()
    pairs = []
    for path in paths:
        found = model.segment(read_image(path))
        pairs.append((Image.fromarray(found.image), found.overlay(), ""))
    return contact_sheet(pairs, columns=columns, side=side)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--card", type=Path, metavar="PHOTOS")
    photos = parser.parse_args().card
    if photos:
        draw(spread(photos, 30), 5, 110).save(HERE / "card.jpg", quality=85)
    else:
        draw(sample_photographs(), 4, 150).save(HERE / "demo.jpg", quality=85)
