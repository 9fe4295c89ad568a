"""Suggesting names: each class takes the name that a text-image model finds in its regions.

Each view of a class gives a probability for every name; the class has the mean of them, so that
views that disagree make a name less sure.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from acseg.classes.edits import Edits
from acseg.errors import DataError, ModelError
from acseg.output.atomic import write_atomic
from acseg.text.views import View

TEXT_MODEL = "openai/clip-vit-base-patch16"
THRESHOLD = 0.4
FILE = "names.json"


@dataclass(frozen=True)
class Suggestion:
    """The name that fits a class best, and the second best, each with its probability."""

    id: int
    name: str
    confidence: float
    runner_up: str
    runner_up_confidence: float
    regions: int


def suggest_names(
    views: Mapping[int, Sequence[View]],
    labels: Sequence[str],
    *,
    text_model: str = TEXT_MODEL,
    device: str = "auto",
) -> list[Suggestion]:
    """Find the name of each class among given ones.

    Parameters
    ----------
    views : mapping of class id to views
        What each class looks like; a class without a view gets no suggestion.
    labels : sequence of str
        Two names or more. What is not among them cannot be found: name also what is in the way,
        such as "grass" or "wall".
    text_model : str
        A CLIP or SigLIP: a folder in the Hugging Face format, or a name on the hub.
    device : str

    Returns
    -------
    list of Suggestion
        In rising order of class ids.

    Raises
    ------
    DataError
        If there are fewer than two different names.
    BackboneError
        If the model cannot be loaded.
    """
    import torch

    from acseg.text.models import describe_inside, load_text_image_model, name_probabilities

    if len(labels) < 2:
        raise DataError(
            f"give two names or more, not {', '.join(labels) or 'none'}: a name is chosen among "
            "them, and of a single one it would always be sure"
        )
    model = load_text_image_model(text_model, device=device)
    names = model.embed_names(labels)  # (C, E)
    found = []
    for c, own in sorted(views.items()):
        if not own:
            continue
        cut = [view.resized(model.side) for view in own]
        images = torch.from_numpy(np.stack([view.picture for view in cut]))  # (V, S, S, 3)
        inside = torch.from_numpy(np.stack([view.inside for view in cut]))
        seen = model.tokens(images.permute(0, 3, 1, 2).float() / 255)
        each = name_probabilities(describe_inside(seen, inside), names, scale=model.scale)
        sure = each.mean(dim=0).cpu()  # (C,)
        first, second = sure.argsort(descending=True, stable=True)[:2].tolist()
        found.append(
            Suggestion(
                id=c,
                name=labels[first],
                confidence=round(float(sure[first]), 4),
                runner_up=labels[second],
                runner_up_confidence=round(float(sure[second]), 4),
                regions=len(own),
            )
        )
    return found


def take_suggestions(
    edits: Edits, old: Sequence[Suggestion], new: Sequence[Suggestion], threshold: float
) -> Edits:
    """Name the classes whose suggestion reaches the threshold; names given by hand stay.

    Parameters
    ----------
    edits : Edits
    old : sequence of Suggestion
        Of the last time: a name that is among them was not given by hand, and goes.
    new : sequence of Suggestion
    threshold : float
        Least confidence, 0..1; below it a class stays without name. Try 0.2 to 0.8.
    """
    for last in old:
        if edits.names.get(last.id) == last.name and last.id not in edits.becomes:
            edits = edits.rename(last.id, "")
    for one in new:
        if one.confidence >= threshold and one.id not in edits.names:
            edits = edits.rename(one.id, one.name)
    return edits


def read_labels_of(given: str) -> list[str]:
    """Read names: a file with one a line (# begins a comment), or a list with commas between.

    Raises
    ------
    DataError
        If what looks like a file is not there or no text.
    """
    path = Path(given)
    if os.path.isfile(given):  # False too where a long list could be no name of a file
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{given}: cannot be read as text ({error})") from error
        given = ",".join(line.partition("#")[0] for line in lines)
    elif "," not in given and (path.suffix or len(path.parts) > 1):
        raise DataError(f"{given}: no such file, and no list of names such as sky,road,car")
    names = (" ".join(name.split()) for name in given.split(","))
    return list(dict.fromkeys(name for name in names if name))


def write_suggestions(run: Path, suggestions: Sequence[Suggestion], text_model: str) -> None:
    """Write MODEL/names.json: the suggested names, those below the threshold too."""
    table = {"text_model": text_model, "classes": [asdict(one) for one in suggestions]}
    write_atomic(run / FILE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def read_suggestions(run: Path) -> tuple[list[Suggestion], str]:
    """Read MODEL/names.json: suggestions and text-image model; none where it is not there.

    Raises
    ------
    ModelError
        Naming the file, if it is broken.
    """
    path = run / FILE
    if not path.exists():
        return [], ""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return [Suggestion(**one) for one in table["classes"]], str(table["text_model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}; delete it and name again") from error
