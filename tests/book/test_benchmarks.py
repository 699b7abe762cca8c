"""The tables of speed: rates and limits, goals, batches, and a GPU once it is measured."""

import json

from book._tools import benchmarks, speed_goals


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


def written(root, **contents):
    folder = root / benchmarks.RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def trained(ratio: float, grouped: float) -> dict:
    return {
        "ours_tokens_per_s": 12_000,
        "share_of_product_rate": 0.42,
        "ours / trainer": {"median": ratio, "low": 1.1, "high": 1.7},
        "ours / trainer_grouped": {"median": grouped, "low": 0.9, "high": 1.2},
    }


def test_a_row_says_how_much_of_the_machines_limit_is_used(tmp_path):
    models = {"llama 1M": trained(1.3, 1.0)}
    sampled = {
        "best": {"ours": "ours 128", "generate": "static 64"},
        "summary": {
            "ratio": {"median": 4.1, "low": 4.0, "high": 4.2},
            "ours": {"stories_per_s": 93.4, "sampling_mb": 150},
            "generate": {"stories_per_s": 22.0, "sampling_mb": 160},
            "share_of_product_rate": 0.2,
            "share_of_memory_rate": 0.55,
        },
    }
    written(
        tmp_path, training_speed={"models": models}, sampling_speed={"models": {"gpt2 1M": sampled}}
    )
    shown = benchmarks.ratios(tmp_path)
    assert "| 12,000 tokens/s | 42% products |" in shown
    assert "sampling stories, GPT-2 1M, batch 128 | `generate`, best setting (static cache" in shown
    assert "| 20% products, 55% memory |" in shown


def test_a_goal_is_reached_only_if_every_model_reaches_it(tmp_path):
    assert speed_goals.table(tmp_path) == ""
    models = {"llama 1M": trained(1.6, 1.0), "gpt2 1M": trained(1.2, 1.1)}
    written(tmp_path, training_speed={"models": models})
    same, grouped = [
        line for line in speed_goals.table(tmp_path).splitlines() if line.startswith("| training")
    ]
    assert speed_goals.table(tmp_path).startswith("Of 2 goals, 1 is reached ")
    assert "| 1.5 | 1.60 (Llama 1M), 1.20 (GPT-2 1M) | Not reached. " in same
    assert grouped.endswith("| 1 | 1.00 (Llama 1M), 1.10 (GPT-2 1M) | reached |")


def test_batches_are_relative_to_the_presets_and_the_fastest_is_bold(tmp_path):
    assert speed_goals.batches(tmp_path) == ""
    steps = {"32": 50.0, "64": 100.0, "128": 120.0, "256": 110.0}
    shapes = {
        "llama cpu": {
            "1": {
                "tokens_per_s_of_a_lane": steps,
                "whole_stories_per_s": {"64": 10.0, "128": 11.0, "256": 12.5},
            }
        },
        "gpt2 9M": {"2": {"tokens_per_s_of_a_lane": {**steps, "64": 125.0}}},
    }
    written(tmp_path, sampling_batch={"preset": 64, "shapes": shapes})
    shown = speed_goals.batches(tmp_path)
    assert "| Llama cpu | 1 | steps | 0.50 | 1.00 | **1.20** | 1.10 |" in shown
    assert "| Llama cpu | 1 | a data set |  | 1.00 | 1.10 | **1.25** |" in shown
    assert "| GPT-2 9M | 2 | steps | 0.40 | **1.00** | 0.96 | 0.88 |" in shown
