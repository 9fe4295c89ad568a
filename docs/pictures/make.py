"""Draw demo.jpg, the contact sheet of the README: the sample photographs and their concepts.

Run ``acseg backbones fetch dinov2-small`` first.
"""

from pathlib import Path

from PIL import Image

from acseg import ACSeg
from acseg.demo import sample_photographs
from acseg.images.read import read_image
from acseg.report.sheet import contact_sheet

HERE = Path(__file__).parent


def main() -> None:
    """Segment the samples with DINOv2 and lay them out beside their overlays."""
    model = ACSeg.from_pretrained("dinov2-small")
    pairs = []
    for path in sample_photographs():
        found = model.segment(read_image(path))
        pairs.append((Image.fromarray(found.image), found.overlay(), ""))
    contact_sheet(pairs, columns=3, side=200).save(HERE / "demo.jpg", quality=88)


if __name__ == "__main__":
    main()
