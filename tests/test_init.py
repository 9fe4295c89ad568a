import subprocess
import sys

import pytest

import acseg

HEAVY = "{'torch', 'transformers', 'sklearn', 'scipy', 'skimage'}"


def loaded_after(code: str) -> str:
    """Run code in a Python of its own; give the heavy packages that it loaded."""
    program = f"import sys\n{code}\nprint('HEAVY', sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.rpartition("HEAVY ")[2].strip()


def test_the_public_names_are_there() -> None:
    from acseg.concepts.generator import AdaptiveConceptGenerator
    from acseg.concepts.modularity import modularity_loss
    from acseg.model import ACSeg
    from acseg.model.segmentation import Segmentation

    assert sorted(acseg.__all__) == [
        "ACSeg",
        "AdaptiveConceptGenerator",
        "Segmentation",
        "modularity_loss",
    ]
    assert acseg.ACSeg is ACSeg
    assert acseg.Segmentation is Segmentation
    assert acseg.modularity_loss is modularity_loss
    assert acseg.AdaptiveConceptGenerator is AdaptiveConceptGenerator


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'acseg' has no attribute 'nothing'"):
        _ = acseg.nothing


def test_neither_import_nor_help_loads_anything_heavy() -> None:
    code = """
import acseg
from acseg.cli import main
for arguments in (['--help'], ['fit', '--help'], ['backbones'], ['segment', '--wrong']):
    try:
        main(arguments)
    except SystemExit:
        pass
"""
    assert loaded_after(code) == "[]"
