"""When a claim was registered, from histories made up for it, and from that of this repository."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from book._tools import registration
from collapse_utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CLAIMS = """
sections:
  s: {metric: m, scale: ratio, results: [cpu-x]}
claims:
- {id: a, section: s, statement: A, where: ours, test: ends_above_first, shown: l,
   options: {of: replace, limit: 1.1},
   outcomes: {cpu-x: not run}}
- {id: b, section: s, statement: B, where: ours, test: slopes_up, shown: l,
   options: {of: accumulate},
   outcomes: {cpu-x: not run}, details: {never_falls: {limit: 0.05, outcomes: {cpu-x: not run}}}}
"""


class Repository:
    """A git repository with claims and results, whose commits and chains have given dates."""

    def __init__(self, root):
        self.root = root
        (root / "book").mkdir()
        (root / "results" / "s" / "cpu-x").mkdir(parents=True)
        self.git("init", "-q")
        self.git("config", "user.email", "a@example.org")
        self.git("config", "user.name", "A")

    def git(self, *arguments, **environment):
        subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            check=True,
            env={"PATH": "/usr/bin:/bin", **environment},
        )

    def commit(self, hour, claims=None, chains=None):
        if claims is not None:
            (self.root / registration.CLAIMS).write_text(claims, encoding="utf-8")
        if chains is not None:
            records = [
                {
                    "variant": "",
                    "regime": regime,
                    "seed": seed,
                    "config": {"steps": steps},
                    "data": {},
                    "provenance": {"finished": f"2026-01-01T{done:02}:00:00+00:00", "wall_s": 1800},
                }
                for regime, seed, steps, done in chains
            ]
            (self.root / "results/s/cpu-x/provenance.json").write_text(
                json.dumps(records), encoding="utf-8"
            )
        self.git("add", "-A")
        date = f"2026-01-01T{hour:02}:00:00+00:00"
        self.git("commit", "-qm", "x", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)

    def registered(self):
        content = registration.history(self.root)
        return {
            name: (int(entry["date"][11:13]), entry["confirmed_by"])
            for name, entry in content.items()
        }


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_a_claim_is_registered_when_its_definition_became_what_it_is(repository):
    repository.commit(1, CLAIMS.replace("1.1", "1.2"))
    repository.commit(2, CLAIMS)
    repository.commit(
        3,
        CLAIMS.replace("statement: A", "statement: Another wording").replace(
            "not run", "undecided"
        ),
    )
    assert {name: hour for name, (hour, _) in repository.registered().items()} == {
        "a": 2,
        "b": 1,
        "b.never_falls": 1,
    }


def test_a_claim_keeps_its_date_when_its_branch_is_merged(repository):
    repository.commit(1, CLAIMS.replace("1.1", "1.2"))
    repository.git("branch", "other")
    repository.commit(2, CLAIMS)
    repository.git("branch", "side")
    repository.git("reset", "-q", "--hard", "other")
    changed = CLAIMS.replace("limit: 0.05", "limit: 0.06")
    repository.commit(3, changed.replace("1.1", "1.2"))
    repository.git("merge", "-q", "--no-commit", "-s", "ours", "side")
    repository.commit(4, changed)
    assert {name: hour for name, (hour, _) in repository.registered().items()} == {
        "a": 2,
        "b": 1,
        "b.never_falls": 3,
    }


def test_a_margin_that_is_changed_and_changed_back_counts_from_the_last_change(repository):
    for hour, margin in ((1, "1.1"), (2, "1.2"), (3, "1.1")):
        repository.commit(hour, CLAIMS.replace("1.1", margin))
    assert repository.registered()["a"][0] == 3


def test_a_claim_that_names_a_prediction_was_registered_with_it(repository):
    path, entry = repository.root / "results" / "p.yml", "- {id: q, metric: m, expect: %s}\n"
    first = path.with_name("first.yml")
    for hour, expected in ((1, "a rise"), (2, "a fall")):
        first.write_text(entry % expected + f"- {{id: another, metric: m{hour}}}\n")
        repository.commit(hour)
    first.rename(path)  # under another name it is the same prediction
    repository.commit(4)
    named = CLAIMS.replace("statement: A,", "statement: A, predicted: p.yml#q,")
    repository.commit(6, named, chains=[("replace", 0, 10, 5)])
    assert repository.registered()["a"] == (2, ["cpu-x"])


def test_results_confirm_a_claim_if_every_chain_that_it_reads_was_begun_after_it(repository):
    repository.commit(5, CLAIMS)
    repository.commit(
        9, chains=[("replace", 0, 10, 7), ("replace", 1, 10, 8), ("accumulate", 0, 10, 5)]
    )
    result = repository.registered()
    # accumulate finished at 5, begun half an hour before
    assert result["a"] == (5, ["cpu-x"]) and result["b"] == (5, [])


def test_a_chain_that_is_run_again_was_known_since_it_was_run_first(repository):
    repository.commit(
        3,
        chains=[("replace", 0, 10, 2), ("accumulate", 0, 10, 2)],
        claims="sections: {}\nclaims: []\n",
    )
    repository.commit(5, CLAIMS)
    # the second with another recipe
    repository.commit(9, chains=[("replace", 0, 10, 8), ("accumulate", 0, 20, 8)])
    result = repository.registered()
    assert result["a"][1] == [] and result["b"][1] == ["cpu-x"]


def test_a_history_that_is_cut_short_is_refused(repository, tmp_path_factory):
    repository.commit(1, CLAIMS.replace("1.1", "1.2"))
    repository.commit(2, CLAIMS)
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{repository.root}", str(clone)], check=True
    )
    for folder in (clone, tmp_path_factory.mktemp("none")):
        with pytest.raises(InputError, match="history"):
            registration.history(folder)


def test_registered_yml_is_what_the_history_says():
    """Every claim is registered; with the whole history, by the right commit."""
    committed = registration.read(ROOT)
    claims = registration.definitions((ROOT / registration.CLAIMS).read_text(encoding="utf-8"))
    assert set(committed) == set(claims), "run `make register`"
    try:
        now = registration.history(ROOT)
    except InputError:
        return  # a download or a shallow clone: there is nothing to compare with
    assert yaml.safe_load(yaml.safe_dump(now)) == committed, "run `make register`"
