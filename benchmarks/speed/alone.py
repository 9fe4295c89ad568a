"""Time one method in a process of its own, in which no other library's threads wait and spin.

    python -m speed.alone "scikit-learn k-means" pixels.npy

Prints the seconds an image took. A method makes itself ready, does a part of the work once, which
loads what is loaded late, and is then timed. How many threads there are, OMP_NUM_THREADS says.
"""

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

CONCEPTS = 5
LEAST = 1.0  # seconds that are timed at least

Work = Callable[[np.ndarray], Any]  # what is done with pixels (B, N, D) of length one, float32


def generator(precision: str) -> Work:
    """Generate concepts and assign the pixels to them, a batch at once."""
    import torch

    from acseg.concepts.assignment import assign, concept_scores
    from acseg.concepts.generator import AdaptiveConceptGenerator

    torch.manual_seed(0)
    models: dict[int, AdaptiveConceptGenerator] = {}

    @torch.inference_mode()
    def work(pixels: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(pixels)
        if not models:
            made = AdaptiveConceptGenerator(x.shape[2], concepts=CONCEPTS)
            models[0] = made.eval().requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            concepts = models[0](x)
        return assign(concept_scores(x, concepts))

    return work


def clustering(name: str) -> Work:
    """Cluster image after image as scikit-learn does, with its own settings but for k."""
    from sklearn.cluster import AffinityPropagation, AgglomerativeClustering, KMeans
    from sklearn.cluster import SpectralClustering as Spectral

    def fit(x: np.ndarray) -> Any:
        if name == "k-means":
            return KMeans(CONCEPTS, n_init=10, random_state=0).fit_predict(x)
        if name == "agglomerative":
            return AgglomerativeClustering(CONCEPTS).fit_predict(x)
        cosines = x @ x.T
        if name == "spectral":
            model = Spectral(CONCEPTS, affinity="precomputed", random_state=0)
            return model.fit_predict(np.maximum(cosines, 0))
        return AffinityPropagation(affinity="precomputed", random_state=0).fit_predict(cosines)

    def work(pixels: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that affinity propagation did not converge
            for x in pixels:
                fit(x)

    return work


METHODS: dict[str, Callable[[], Work]] = {
    "ACG, float32": lambda: generator("float32"),
    "ACG, bfloat16": lambda: generator("bfloat16"),
    "scikit-learn k-means": lambda: clustering("k-means"),
    "scikit-learn spectral": lambda: clustering("spectral"),
    "scikit-learn agglomerative": lambda: clustering("agglomerative"),
    "scikit-learn affinity propagation": lambda: clustering("affinity propagation"),
}


def main() -> None:
    """Time the method that is named on the pixels of a file."""
    name, file = sys.argv[1:]
    pixels = np.load(file)
    work = METHODS[name]()
    work(pixels if name.startswith("ACG") else pixels[:1])
    calls, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < LEAST:
        work(pixels)
        calls += 1
    print(took / calls / len(pixels))


if __name__ == "__main__":
    main()
