"""The table of what a GPU does: a sentence before it is measured, rows afterwards."""

import json

from book._tools import benchmarks


def test_the_page_says_what_a_gpu_does_once_it_is_measured(tmp_path):
    assert "not yet measured" in benchmarks.gpu(tmp_path)
    rates = {
        "tokens_per_s": 2_000_000,
        "ratio": {"median": 1.5, "low": 1.4, "high": 1.6},
        "share_of_peak": 0.21,
    }
    result = {
        "device": "NVIDIA T4",
        "models": {"llama 12M": {"training": rates, "sampling": rates}},
        "presets": {
            "images": {"trained_items_per_s": 10_000.0, "sampled_items_per_s": 50_000.0},
            "molecules": {"trained_items_per_s": None, "sampled_items_per_s": 700.0},
        },
    }
    folder = tmp_path / benchmarks.RESULTS
    folder.mkdir(parents=True)
    (folder / "gpu.json").write_text(json.dumps(result))
    shown = benchmarks.gpu(tmp_path)
    assert "NVIDIA T4" in shown and "not yet measured" not in shown
    assert "training, llama 12M" in shown and "1.50 (1.40\u00a0to\u00a01.60)" in shown
    assert "2,000,000 tokens/s; 21.0% of peak" in shown and "50,000.0 items/s sampled" in shown
    assert "molecules at `colab`" in shown and "None" not in shown
