"""Predict very many small pictures in one run, and say whether memory, handles and rate stay flat.

    python benchmarks/soak.py                       100,000 pictures, the nightly form
    python benchmarks/soak.py --pictures 5000 --json soak.json

`acseg predict` runs in a process of its own with a tiny backbone of random weights, so that
everything but the backbone counts; it is watched from outside through /proc (Linux). A picture
counts as done when its line stands in the manifest. Compared are the second tenth of the run, when
all is loaded, and the last: none of the figures may have become worse by more than 5 %. On a
machine with other work, the processor time is the one to trust. Exit status 1 if one has.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from speed.machine import describe
from speed.models import TINY, photographs, random_run, random_vit

DIFFERENT = 500  # pictures that are made; the others are links to them
TOLERANCE = 0.05
EVERY = 0.5  # seconds between samples

RUNNER = "import sys; from acseg.cli import main; main()"


@dataclass(frozen=True)
class Sample:
    """The process at one moment: pictures done, seconds, memory, open files, threads, work."""

    pictures: int
    seconds: float
    mebibytes: float
    handles: int
    threads: int
    processor_seconds: float


def make_pictures(folder: Path, count: int) -> Path:
    """Make many small pictures in folders of 1,000, most of them links to a few."""
    few = sorted(photographs(folder / "few", min(count, DIFFERENT), (64, 48)).iterdir())
    many = folder / "many"
    for number in range(count):
        place = many / f"{number // 1000:05d}" / f"{number:08d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        source = few[number % len(few)]
        try:
            os.link(source, place)
        except OSError:  # too many links, or none on this disk
            shutil.copyfile(source, place)
    return many


class Watch:
    """Watches a process and the manifest that it appends to."""

    def __init__(self, process: int, manifest: Path) -> None:
        self._proc, self._manifest = Path(f"/proc/{process}"), manifest
        self._begun, self._read, self._lines = time.monotonic(), 0, 0
        self.samples: list[Sample] = []

    def look(self) -> bool:
        """Take a sample; False where the process is gone or past the pictures."""
        try:
            with self._manifest.open("rb") as file:
                file.seek(self._read)
                fresh = file.read()
        except OSError:
            fresh = b""
        self._read += len(fresh)
        self._lines += fresh.count(b"\n")
        try:
            status = (self._proc / "status").read_text(encoding="utf-8")
            work = (self._proc / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            handles = len(list((self._proc / "fd").iterdir()))
        except OSError:
            return False
        facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if "VmRSS" not in facts:
            return False
        ticks = os.sysconf("SC_CLK_TCK")
        self.samples.append(
            Sample(
                pictures=self._lines,
                seconds=round(time.monotonic() - self._begun, 2),
                mebibytes=round(int(facts["VmRSS"].split()[0]) / 1024, 1),
                handles=handles,
                threads=int(facts["Threads"]),
                processor_seconds=round((int(work[11]) + int(work[12])) / ticks, 2),
            )
        )
        return True


def judge(samples: list[Sample], count: int) -> dict[str, dict[str, Any]]:
    """Compare the second tenth of the pictures with the last; say what is flat."""

    def part(low: float, high: float) -> list[Sample]:
        return [s for s in samples if low * count <= s.pictures <= high * count]

    early, late = part(0.1, 0.2), part(0.9, 1.0)
    if len(early) < 2 or len(late) < 2:
        raise SystemExit("too few samples; watch more pictures")

    def rate(some: list[Sample], field: str) -> float:
        spent = getattr(some[-1], field) - getattr(some[0], field)
        return float(spent / max(1, some[-1].pictures - some[0].pictures))

    memory = [median(s.mebibytes for s in some) for some in (early, late)]
    handles = [float(max(s.handles for s in some)) for some in (early, late)]
    threads = [float(max(s.threads for s in some)) for some in (early, late)]
    seconds = [1 / rate(some, "seconds") for some in (early, late)]
    work = [1000 * rate(some, "processor_seconds") for some in (early, late)]
    pairs = {
        "MiB of memory": memory,
        "open files": handles,
        "threads": threads,
        "pictures a second": seconds,
        "processor ms a picture": work,
    }
    verdict: dict[str, dict[str, Any]] = {}
    for name, (first, last) in pairs.items():
        change = last / first - 1
        worse = -change if name == "pictures a second" else change
        facts = {"early": round(first, 3), "late": round(last, 3), "change": round(change, 4)}
        verdict[name] = {**facts, "flat": worse <= TOLERANCE}
    return verdict


def main() -> None:
    """Make the pictures, watch the command, print the verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=100_000, help="how many; 2,000 upward")
    parser.add_argument("--folder", type=Path, help="where to work, 10 KB a picture; kept")
    parser.add_argument("--json", type=Path, help="write the samples and the verdict")
    arguments = parser.parse_args()
    if not Path("/proc/self/status").exists():
        raise SystemExit("soak.py watches through /proc, which this system has not")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        found = soak(folder, arguments.pictures)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{arguments.pictures} pictures in {found['seconds']:.0f} s with the report; ", end="")
    print(f"most memory {found['peak_mebibytes']:.0f} MiB, {found['out_bytes']} bytes of labels")
    for name, verdict in found["verdict"].items():
        word = "flat" if verdict["flat"] else "NOT FLAT"
        print(f"{name:24} {verdict['early']:10.2f} {verdict['late']:10.2f}  {word}")
    sys.exit(0 if all(v["flat"] for v in found["verdict"].values()) else 1)


def soak(folder: Path, count: int) -> dict[str, Any]:
    """Run `acseg predict` over `count` pictures; give samples and verdict."""
    vit = random_vit(folder / "vit", TINY)
    more = {"foreground": "none", "descriptor": "mean-token"}
    run = random_run(folder / "run", vit, side=24, classes=4, **more)
    pictures = make_pictures(folder, count)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", RUNNER, "predict", str(run), str(pictures), "-o", str(out)]
    begun = time.monotonic()
    with subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL) as process:
        watch = Watch(process.pid, out / ".acseg" / "manifest.jsonl")
        while process.poll() is None:
            watch.look()
            time.sleep(EVERY)
        if process.returncode:
            raise SystemExit(f"acseg predict ended with status {process.returncode}")
    samples = [s for s in watch.samples if s.pictures <= count]
    passing = [s for s in samples if s.pictures < count]  # the tables and the report come after
    every = max(1, len(samples) // 500)
    return {
        "machine": describe("cpu"),
        "pictures": count,
        "seconds": round(time.monotonic() - begun, 1),
        "peak_mebibytes": max(s.mebibytes for s in watch.samples),
        "peak_mebibytes_of_the_pass": max(s.mebibytes for s in passing),
        "out_bytes": sum(p.stat().st_size for p in (out / "labels").rglob("*.png")),
        "verdict": judge(passing, count),
        "samples": [asdict(s) for s in samples[::every]],
    }


if __name__ == "__main__":
    main()
