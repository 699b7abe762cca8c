"""What a sampler keeps of an unfinished generation, and what a lost state leaves behind."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import toy

from collapse_utils import seeds
from collapse_utils.chain import run_chain
from collapse_utils.durable.checkpoints import Checkpoint, Pieces
from collapse_utils.durable.signals import Interrupted

PIECE = 10  # rows; a generation of 50 is five pieces


class InPieces(toy.Gaussian):
    resumable_sampling = True

    """The Gaussian, sampled piece by piece; ``stop_at`` raises ``how`` instead of making that
    piece.
    """

    def __init__(self, config, stop_at=None, how=RuntimeError):
        super().__init__(config)
        self.made, self.stop_at, self.how = [], stop_at, how

    def sample(self, model, size, seed, kept):
        mean, std, _ = model

        def make(first):
            if len(self.made) + 1 == self.stop_at:
                raise self.how
            self.made.append(first)
            noise = seeds.generator(seed, "noise", first).normal(size=(PIECE, self.dimensions))
            return mean + std * noise

        pieces = dict(kept(partial(make, first) for first in range(0, size, PIECE)))
        return np.concatenate([pieces[number] for number in sorted(pieces)])


def run(folder, section=None, checkpoint_s=0.0, **options):
    chain = toy.chain("replace", **options)
    section = section or InPieces(chain.config)
    return run_chain(section, chain, folder / "run", checkpoint_s=checkpoint_s), section


def bits(folder):
    return [path.read_bytes() for path in sorted((folder / "run").rglob("items.npy"))]


@pytest.mark.parametrize("stop_at", [1, 3, 5, 8])
def test_a_killed_sampler_goes_on_without_doing_a_piece_twice(tmp_path, stop_at):
    whole, section = run(tmp_path / "whole")
    assert len(section.made) == 15  # three generations
    config = toy.chain().config
    broken = InPieces(config, stop_at)
    with pytest.raises(RuntimeError):
        run(tmp_path / "killed", broken)
    again, section = run(tmp_path / "killed")
    assert len(broken.made) + len(section.made) == 15
    assert again == whole and bits(tmp_path / "killed") == bits(tmp_path / "whole")
    assert list((tmp_path / "killed").rglob("pieces-of-*")) == []


def test_a_signal_keeps_the_pieces_that_no_checkpoint_was_due_for(tmp_path):
    whole, _ = run(tmp_path / "whole")
    broken = InPieces(toy.chain().config, 4, Interrupted(15))
    with pytest.raises(Interrupted):
        run(tmp_path / "stopped", broken, checkpoint_s=1e9)
    again, section = run(tmp_path / "stopped", checkpoint_s=1e9)
    assert len(section.made) == 12
    assert again == whole and bits(tmp_path / "stopped") == bits(tmp_path / "whole")


def test_a_killed_sampler_loses_what_no_checkpoint_was_due_for(tmp_path):
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(RuntimeError):
        run(tmp_path / "killed", InPieces(toy.chain().config, 4), checkpoint_s=1e9)
    again, section = run(tmp_path / "killed", checkpoint_s=1e9)
    assert len(section.made) == 15 and again == whole


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_damaged_pieces_are_named_and_made_again(tmp_path, capsys, harm):
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(RuntimeError):
        run(tmp_path / "killed", InPieces(toy.chain().config, 9))
    file = tmp_path / "killed/run/generation-02/pieces-of-block-00/from-000001/pieces.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    if harm == "remove":
        file.unlink()
    else:
        file.write_bytes(content if harm == "flip" else content[:-7])
    again, section = run(tmp_path / "killed")
    assert len(section.made) == 15 - 8 + 2  # of the three pieces kept, the second was damaged
    assert again == whole and bits(tmp_path / "killed") == bits(tmp_path / "whole")
    output = capsys.readouterr().err
    assert "from-000001" in output and "sampled again from here" in output


def test_pieces_of_several_arrays_come_back_as_they_were(tmp_path):
    made = [
        (np.arange(5, dtype=np.uint16), np.array([0, 5])),
        (np.arange(3, dtype=np.uint16), np.array([0, 1, 3])),
    ]
    list(Pieces(tmp_path / "pieces", every_s=0)(lambda piece=piece: piece for piece in made))
    second = Pieces(tmp_path / "pieces", every_s=0)
    read = dict(second([*2 * [lambda: pytest.fail("made again")], lambda: np.zeros(2)]))
    for number, piece in enumerate(made):
        assert [array.dtype for array in read[number]] == [array.dtype for array in piece]
        assert all(np.array_equal(a, b) for a, b in zip(read[number], piece, strict=True))
    assert read[2].shape == (2,)
    second.remove()
    assert not (tmp_path / "pieces").exists()


def test_a_lost_state_is_named(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path)
    for step in (1, 2):
        with checkpoint.saving(step) as folder:
            (folder / "weights").write_text(str(step))
    assert checkpoint.start().name == "state-000000002" and capsys.readouterr().err == ""
    for path in (tmp_path / "state-000000002").iterdir():
        path.unlink()
    (tmp_path / "state-000000002").rmdir()
    assert checkpoint.start().name == "state-000000001"
    assert (
        "state-000000002: is missing; this fit resumes from state-000000001"
        in capsys.readouterr().err
    )


def test_the_language_sampler_keeps_stories_and_small_blocks_stay_one_piece(tmp_path, monkeypatch):
    """Pieces are a part of what is sampled; a block of the small presets is one piece, the same as
    without them.
    """
    from tiny import TINY

    from collapse_utils import presets
    from collapse_utils.language import section as module
    from collapse_utils.language.config import PRESETS

    config = presets.override(PRESETS["smoke"], TINY["language"][1::2])
    assert module.PIECE_BATCHES * PRESETS["cpu"].sample_batch > PRESETS["cpu"].stories
    language = module.LanguageSection(config, "bible", tmp_path)
    train, _ = language.real_data()
    model = language.fit(train, 0, Checkpoint(tmp_path / "fit"))
    one = language.sample(model, 30, 5)
    values, offsets = module.sample_stories(
        model, 30, max_length=config.max_length, bos=0, eos=0, seed=5, batch=config.sample_batch
    )
    assert [row["tokens"] for row in one] == [values[a:b].tolist() for a, b in pairwise(offsets)]
    monkeypatch.setattr(module, "PIECE_BATCHES", 1)
    made = []

    def counting(makes):
        for number, make in enumerate(makes):
            made.append(make())
            yield number, made[-1]

    language.config = presets.override(config, ["sample_batch=8"])
    several = language.sample(model, 30, 5, counting)
    assert len(made) == 4 and len(several) == 30
