"""Generator and assignment of a batch, against clusterings of scikit-learn on the same pixels."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.generator import AdaptiveConceptGenerator, default_heads
from acseg.concepts.modularity import has_bfloat16
from speed.timing import Form, How, Row, Table, spread, time_pairs, times_faster

BATCH, PIXELS, DIM, CONCEPTS = 16, 784, 384, 5
STEPS = 6  # of the generator
TO_REACH = {"k-means": 100, "spectral": 30, "agglomerative": 30, "affinity propagation": 500}


def measure(how: How) -> list[Table]:
    """Measure images a second of every method; scikit-learn takes one image at a time."""
    n = 64 if how.quick else PIXELS
    x = scenes(BATCH, n, DIM, CONCEPTS)
    torch.manual_seed(0)
    generator = AdaptiveConceptGenerator(DIM, concepts=CONCEPTS).eval().requires_grad_(False)
    ours = {"ACG, float32": lambda: conceptualize(generator, x, rounded=False)}
    if has_bfloat16(torch.device("cpu")):
        ours["ACG, bfloat16"] = lambda: conceptualize(generator, x, rounded=True)
    theirs = clusterings(torch.nn.functional.normalize(x[0], dim=1).numpy())
    best = list(ours)[-1]
    times = time_pairs(ours, 3 * how.rounds)
    times = {name: [s / BATCH for s in samples] for name, samples in times.items()}
    rows: list[Row] = []
    for name, samples in times.items():
        row: Row = {"method": name, "ms an image": spread(samples)}
        dtype = name.split()[-1]
        row["floor ms"] = 1e3 * how.floor(*cost(n, DIM, CONCEPTS, BATCH), dtype)
        rows.append(row | {"images/s": 1 / float(np.median(samples))})
    for name, form in theirs.items():
        rounds = 1 if how.quick else 3
        pair = time_pairs({name: form, best: ours[best]}, rounds)
        per_image = [s / BATCH for s in pair[best]]
        row = {"method": f"scikit-learn {name}", "ms an image": spread(pair[name])}
        row["images/s"] = 1 / float(np.median(pair[name]))
        row[f"{best} is faster"] = times_faster(pair[name], per_image)
        rows.append(row | {"to reach": float(TO_REACH[name])})
    title = f"Generator and assignment, batch of {BATCH}, N = {n}, D = {DIM}, k = {CONCEPTS}"
    return [Table("generator", title, rows, [f"To reach: 500 images/s with {best} on 2 cores."])]


def conceptualize(generator: AdaptiveConceptGenerator, x: Tensor, *, rounded: bool) -> Tensor:
    """Assign pixels (B, N, D) to their concepts, as `acseg segment` does."""
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            concepts = generator(x)
        return assign(concept_scores(x, concepts))


def clusterings(x: np.ndarray) -> dict[str, Form]:
    """Name the clusterings of pixels (N, D) of length one, float32."""
    from sklearn.cluster import AffinityPropagation, AgglomerativeClustering, KMeans
    from sklearn.cluster import SpectralClustering as Spectral

    models: dict[str, tuple[Any, Any]] = {
        "k-means": (lambda: KMeans(CONCEPTS, n_init=10, random_state=0), lambda: x),
        "spectral": (
            lambda: Spectral(CONCEPTS, affinity="precomputed", random_state=0),
            lambda: np.maximum(x @ x.T, 0),
        ),
        "agglomerative": (lambda: AgglomerativeClustering(CONCEPTS), lambda: x),
        "affinity propagation": (
            lambda: AffinityPropagation(affinity="precomputed", random_state=0),
            lambda: x @ x.T,
        ),
    }

    def fit(name: str) -> Any:
        make, data = models[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that affinity propagation did not converge
            return make().fit_predict(data())

    return {name: lambda name=name: fit(name) for name in models}  # type: ignore[misc]


def scenes(batch: int, n: int, dim: int, groups: int) -> Tensor:
    """Draw pixels (B, N, D) in groups, with a direction that all share."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(batch, groups, dim, generator=generator)
    member = torch.randint(groups, (batch, n, 1), generator=generator).expand(-1, -1, dim)
    noise = torch.randn(batch, n, dim, generator=generator)
    return centres.gather(1, member) + noise + torch.randn(batch, 1, dim, generator=generator)


def cost(n: int, dim: int, k: int, batch: int) -> tuple[float, float]:
    """Count an image's operations of matrix products, and the bytes of pixels and weights once."""
    looks, layers = operations(n, dim, k)
    weights = STEPS * 16 * dim * dim
    return looks + layers + 2 * n * dim * k, 4 * (n * dim + weights / batch)


def operations(n: int, dim: int, k: int) -> tuple[float, float]:
    """Count an image's operations on its pixels, and those of the layers on its concepts."""
    looks = 2 * 2 * n * dim * default_heads(dim) * k
    layers = 2 * k * dim * dim * 16  # 4 of each attention, 8 of the feed-forward part
    return STEPS * looks, STEPS * layers
