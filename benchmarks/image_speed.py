"""Training images per second: the book's loop and a DataLoader that decodes JPEGs.

Both sides train the same network from the same photographs, the same number a batch, in float32
with Adam.  ``loader`` is the way of the public PyTorch-VAE: a Dataset that opens a JPEG, cuts its
centre, scales and converts it (we leave out its random flip), a DataLoader that shuffles, a network
in torch's default memory layout.  It is measured with no worker process and with two, and the
better of the two counts.  ``ours`` is ``ImagesSection.fit`` on the decoded, memory-mapped array,
the gathering of batches included; what the one-time decoding takes is given beside it.  The
photographs are the default faces at the size of an aligned CelebA photograph, in colour.  Each side
is a process of its own; sides alternate, and the first steps of each measurement are not counted.
Writes ``benchmarks/results/image_speed.json``.

    python benchmarks/image_speed.py [--rounds 5] [--threads 2] [--network cpu]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

OUT = Path(__file__).parent / "results" / "image_speed.json"
NETWORKS = ("cpu", "paper")
PHOTOS = 640
WARM = 3
COUNTED = {"cpu": 25, "paper": 5}  # steps of one measurement
SIDES = ("ours", "loader", "loader_2_workers")


def settings(network: str) -> dict:
    from collapse_utils.images.config import PRESETS

    config = PRESETS[network]
    return {
        name: getattr(config, name)
        for name in ("size", "width", "levels", "latent", "batch_size", "learning_rate")
    }


def write_photos(folder: Path) -> None:
    """The default faces as colour JPEGs of 178 x 218 pixels, each with a tint of its own."""
    import numpy as np
    from PIL import Image

    from collapse_utils.images import sources

    album = sources.locate("orl")
    rng = np.random.default_rng(0)
    for i in range(PHOTOS):
        face = np.asarray(
            album.open(i % len(album.photos)).resize((178, 218), Image.Resampling.BICUBIC), float
        )
        colour = face[..., None] * rng.uniform(0.7, 1.0, 3) + rng.normal(0, 3, (218, 178, 3))
        Image.fromarray(colour.clip(0, 255).astype(np.uint8)).save(
            folder / f"{i:06}.jpg", quality=90
        )


class Marks:
    """Times of the steps, and images per second over those that count."""

    def __init__(self, network: str):
        self.times: list[float] = []
        self.last = WARM + COUNTED[network]

    def tick(self) -> bool:
        self.times.append(time.perf_counter())
        return len(self.times) > self.last

    def rate(self, batch_size: int) -> float:
        return batch_size * (self.last - WARM) / (self.times[self.last] - self.times[WARM])


def ours(network: str, photos: Path, threads: int) -> dict:
    from collapse_utils.durable.checkpoints import Checkpoint
    from collapse_utils.images import section as images
    from collapse_utils.images.config import ImagesConfig

    chosen = settings(network)
    marks = Marks(network)
    count = PHOTOS - 64
    epochs = -(-marks.last // (count // chosen["batch_size"]))
    config = ImagesConfig(**chosen, threads=threads, epochs=epochs, images=count, test_images=64)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        section = images.ImagesSection(config, photos, Path(scratch))
        decode_s = time.perf_counter() - started
        original = images.losses

        def timed(*arguments):
            marks.tick()
            return original(*arguments)

        images.losses = timed
        train, test = section.real_data()
        checkpoint = Checkpoint(
            Path(scratch) / "fit", report=lambda step, steps, _: step == steps and marks.tick()
        )
        model = section.fit(train, 0, checkpoint)
        images.losses = original
        started = time.perf_counter()
        section.sample(model, 1024, 0)
        sample_rate = 1024 / (time.perf_counter() - started)
        section.features, section.real_diversity  # noqa: B018  (once a chain)
        started = time.perf_counter()
        section.evaluate(model, test)
        evaluate_s = time.perf_counter() - started
    return {
        "images_per_s": marks.rate(config.batch_size),
        "sampled_per_s": sample_rate,
        "decode_ms_an_image": 1e3 * decode_s / PHOTOS,
        "evaluate_s": evaluate_s,
    }


def loader(network: str, photos: Path, threads: int, workers: int) -> dict:
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from collapse_utils.images.model import VAE

    torch.set_num_threads(threads)
    chosen = settings(network)

    class Photos(Dataset):
        def __init__(self):
            self.files = sorted(photos.glob("*.jpg"))

        def __len__(self):
            return len(self.files)

        def __getitem__(self, i):
            image = Image.open(self.files[i]).convert("RGB").crop((15, 35, 163, 183))
            image = image.resize((chosen["size"], chosen["size"]), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)

    torch.manual_seed(0)
    model = VAE(
        channels=3, **{name: chosen[name] for name in ("size", "width", "levels", "latent")}
    )
    adam = torch.optim.Adam(model.parameters(), lr=chosen["learning_rate"])
    batches = DataLoader(
        Photos(),
        chosen["batch_size"],
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )
    marks = Marks(network)
    done = False
    while not done:
        for x in batches:
            if done := marks.tick():
                break
            mean, log_variance = model.encode(x)
            reconstruction = model.decode(
                mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            )
            kl = torch.mean(
                -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp(), dim=1)
            )
            loss = torch.nn.functional.mse_loss(reconstruction, x) + 0.00025 * kl
            adam.zero_grad()
            loss.backward()
            adam.step()
    return {"images_per_s": marks.rate(chosen["batch_size"])}


def operations(network: str) -> int:
    """Floating-point operations of the convolutions and products of one training step."""
    import limits
    import torch

    from collapse_utils.images.config import ImagesConfig
    from collapse_utils.images.model import build, losses

    chosen = settings(network)
    model = build(ImagesConfig(**chosen), channels=3, seed=0)
    images = torch.rand(chosen["batch_size"], 3, chosen["size"], chosen["size"])
    noise = torch.randn(chosen["batch_size"], chosen["latent"])

    def step() -> None:
        error, kl, _ = losses(model, images, noise)
        (error.mean() + 0.00025 * kl.mean()).backward()

    return limits.operations(step)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", choices=NETWORKS)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--photos", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    from sides import Side, alternate, serve

    setting = options.network, options.photos, options.threads
    if options.serve == "ours":
        serve(lambda: ours(*setting))
        return
    if options.serve:
        workers = 2 if options.serve == "loader_2_workers" else 0
        serve(lambda: loader(*setting, workers))
        return
    report = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / "photos"
        photos.mkdir()
        write_photos(photos)
        for network in [options.network] if options.network else NETWORKS:
            words = ("--network", network, "--threads", options.threads, "--photos", photos)
            sides = {
                side: Side(__file__, ("--serve", side, *words), options.threads) for side in SIDES
            }
            report[network] = summary(network, alternate(sides, options.rounds), options)
            print(network, report[network], flush=True)
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(report, indent=2) + "\n")


def summary(network: str, measured: dict[str, list[dict]], options: argparse.Namespace) -> dict:
    import limits
    from rivals import ratio

    from collapse_utils.images.config import PRESETS

    rates = {side: [run["images_per_s"] for run in runs] for side, runs in measured.items()}
    better = max(("loader", "loader_2_workers"), key=lambda side: statistics.median(rates[side]))
    middle = {
        key: statistics.median(run[key] for run in measured["ours"]) for key in measured["ours"][0]
    }
    epochs = PRESETS[network].epochs
    peak = limits.product_rate(options.threads)
    steps_per_s = middle["images_per_s"] / settings(network)["batch_size"]
    return {
        "threads": options.threads,
        "rounds": options.rounds,
        **settings(network),
        **{f"{side}_images_per_s": round(statistics.median(rates[side])) for side in SIDES},
        "ours / better loader": {**ratio(rates["ours"], rates[better]), "better": better},
        "sampled_per_s": round(middle["sampled_per_s"]),
        # A generation of n images is sampled in n / sampled_per_s, a fit under replace takes n *
        # epochs / images_per_s.
        "sampling_as_share_of_fit": round(
            middle["images_per_s"] / middle["sampled_per_s"] / epochs, 4
        ),
        "decode_ms_an_image_once": round(middle["decode_ms_an_image"], 2),
        "limit_gflops": round(peak / 1e9, 1),
        "share_of_product_rate": round(operations(network) * steps_per_s / peak, 3),
    }


if __name__ == "__main__":
    main()
