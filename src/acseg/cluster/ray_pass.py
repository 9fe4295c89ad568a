"""The pass over a collection on a Ray cluster: chunks go out, entries come back."""

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from acseg.cluster.actor import Segmenter, Spec, make_task, read_done
from acseg.cluster.items import Item
from acseg.cluster.packed import pack
from acseg.collection.work import Place, Worker
from acseg.errors import DataError
from acseg.images.stream import Size, stamp, unfinished_chunks
from acseg.images.walk import Source
from acseg.output.manifest import Entry


def start_ray(address: str) -> Any:
    """Connect to a cluster, or start one on this machine; give the ray module.

    Parameters
    ----------
    address : str
        "auto": a cluster that runs here or that RAY_ADDRESS names, else one of this machine
        alone. "local": of this machine alone. ``host:port`` or ``ray://host:port``.

    Raises
    ------
    DataError
        If Ray is not installed, or nothing answers at the address.
    """
    try:
        import ray
    except ImportError:
        raise DataError("--ray needs Ray: pip install 'acseg[ray]'") from None
    if ray.is_initialized():
        return ray
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    try:
        if address == "auto":
            try:
                ray.init(address="auto", **quiet)
            except ConnectionError:
                ray.init(include_dashboard=False, **quiet)
        elif address == "local":
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"no Ray cluster answers at {address}: {reason}") from error
    return ray


def _knock(address: str) -> None:
    """Fail at once where nothing listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=10).close()


def run_tasks(
    machine: type, spec: Any, tasks: Sequence[dict[str, str]], address: str
) -> Iterator[Any]:
    """Do chunks on all machines of a cluster, and give what each became as it is done.

    Parameters
    ----------
    machine : type
        Made once at each place with `spec`; called with a batch of rows {"task": text}, it gives
        {"done": list}.
    spec : Spec or Packed
    tasks : sequence of dict
        One a chunk.
    address : str
        As for `start_ray`.

    A chunk whose machine is lost is done again on another; writing is idempotent, so it leaves
    the same bytes.
    """
    ray = start_ray(address)
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours are enough
    gpu = getattr(spec, "model", spec).device.startswith("cuda")
    places = max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))
    resources: dict[str, Any] = {"num_gpus": 1} if gpu else {"num_cpus": 1}
    rows = ray.data.from_items(list(tasks), override_num_blocks=len(tasks))
    done = rows.map_batches(
        machine,
        fn_constructor_args=(spec,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(places, len(tasks))),
        **resources,
    )
    for row in done.iter_rows():
        yield row["done"]


class RayWork:
    """`acseg.collection.work.work`, done by a cluster that shares the folders of INPUT and OUT.

    Parameters
    ----------
    out : str
        Path of OUT, the same on all machines.
    address : str
        As for `start_ray`.
    """

    def __init__(self, out: str, address: str = "auto") -> None:
        self._out = out
        self._address = address

    def __call__(
        self,
        worker: Worker,
        sources: Sequence[Source],
        place: Callable[[Source], Place],
        *,
        only: Sequence[int] | None = None,
        known: Callable[[int], Size | None] = lambda index: None,
    ) -> Iterator[tuple[int, Entry]]:
        """Give the entry of each picture that was to do, as it is done."""
        taking_part = range(len(sources)) if only is None else only
        tasks = []
        for chunk, sizes in unfinished_chunks(taking_part, known):
            here = [sources[index] for index in chunk]
            places = [place(source) for source in here]
            items = [Item(s.relative, str(s.path.absolute()), stamp=stamp(s)) for s in here]
            tasks.append(make_task(chunk, items, [(p.name, p.source) for p in places], known=sizes))
        if not tasks:
            return
        spec = Spec(pack(worker.model), worker.kind, worker.key, self._out, worker.overlays)
        for text in run_tasks(Segmenter, spec, tasks, self._address):
            yield from read_done(text)
