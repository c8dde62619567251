"""What a claim and a title say is true of the profile that they stand in: seeds, epochs, images, data and shares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkit.compose import CONF, compose
from labkit.labs.course import Course
from labkit.labs.schema import PROFILES, Claim
from labkit.labs.wording import claim_in_words
from labkit.multirun.pages import question
from labkit.report.cells import is_percent
from tests.labs.lab_files import KNOWN

CASES = [(lab, part, profile) for lab, found in KNOWN.items() for part in found.parts for profile in PROFILES]
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
OPTIONS = {  # how a text may name a data set -> beginnings of the options that it may be
    "cifar": ("cifar10",),
    "mnist": ("mnist",),
    "swissroll": ("swissroll",),
    "spirals": ("swissroll_generated", "spirals"),
    "peaks": ("peaks",),
    "gmm": ("gmm",),
    "gaussian mixtures": ("gmm",),
    "digits": ("digits", "cluttered_digits"),
}


def counted(text: str, what: str) -> Iterator[int]:
    """Every number in front of a word, such as 5 of `five fresh seeds`."""
    for number in re.findall(rf"\b(\d[\d,]*|{'|'.join(NUMBERS)}) (?:\w+ )?{what}\b", text):
        yield NUMBERS[number] if number in NUMBERS else int(number.replace(",", ""))


@cache
def composed(*words: str) -> Any:
    """The configuration of a step without what it sweeps, in whichever way that is written."""
    return compose([word for word in words if word != "-m" and not re.search(r"=[^\[{']*,|=\[.*\],\[", word)])


def false_words(claim: Claim, profile: str, words: list[str]) -> list[str]:
    """What a claim's text says that is not so: from the step's own words, composed here and counted again."""
    text = claim.says.lower()
    if not re.search(f"seed|epochs|images|%|jpeg|published|[{{}}]|{'|'.join(OPTIONS)}", text):
        return []
    plain = composed(*words)
    chosen = str(plain.hydra.runtime.choices["data"])
    swept = next((word for word in words if word.startswith("seed=") and "," in word), "seed=0")
    seeds = plain.seeds or swept.count(",") + 1
    wrong = [f"{n} seeds, not {seeds}" for n in counted(text, "seeds?") if n != seeds]
    wrong += [f"{n} epochs" for n in counted(text, "epochs") if n != plain.trainer.epochs]
    wrong += [f"{n} images" for n in counted(text, "images") if n != plain.data.train_size]
    wrong += [name for name, options in OPTIONS.items() if name in text and not chosen.startswith(options)]
    low, high = claim.band(profile) or (None, None)
    for share in map(float, re.findall(r"([\d.]+)%", text)):
        entailed = (low is not None and 100 * low >= share - 1e-9) or (high is not None and 100 * high <= share + 1e-9)
        wrong += [] if is_percent(claim.metric) and entailed else [f"{share}%"]
    return [*wrong, *re.findall("jpeg|published|[{}]", text if profile != "full" else re.sub("published", "", text))]


@pytest.mark.parametrize(("lab", "name", "profile"), CASES)
def test_a_claim_speaks_of_its_profile(lab: str, name: str, profile: str) -> None:
    part = KNOWN[lab].parts[name]
    course = Course(profile, Path())
    for claim in course.claims_of(part):
        assert false_words(claim, profile, course.words(part, part.steps[claim.step])) == [], claim.says
        assert claim.band(profile) or claim.goal or claim.says.endswith("?"), claim.says


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        ("the mean of five seeds on digits", ["5 seeds, not 2"]),
        ("two fresh seeds, 4 epochs on Peaks", ["4 epochs", "peaks"]),
        ("on 49,000 images, it passes 50%", ["49000 images", "50.0%"]),
        ("it passes 45% (a JPEG copy)", ["jpeg"]),
        ("300 images, 3 epochs, 2 seeds: it passes 45.5%", []),
    ],
)
def test_false_words_are_found(says: str, wrong: list[str]) -> None:
    words = ["-m", "data=digits", "data.train_size=300", "seed=0,1", "trainer.epochs=3"]
    assert false_words(claim(says=says), "quick", words) == wrong


@pytest.mark.parametrize(("lab", "name"), list(dict.fromkeys(case[:2] for case in CASES)))
def test_a_title_holds_in_every_profile(lab: str, name: str) -> None:
    text = KNOWN[lab].parts[name].title.lower()
    assert not [named for named in (*OPTIONS, "jpeg", "%", " seeds of") if named in text]
    for what in ("seeds", "epochs", "parameters"):
        assert not [n for n in counted(text, what) if n != 1]


@pytest.mark.parametrize("file", sorted((CONF / "sweeps").glob("**/*.yaml")), ids=lambda file: file.stem)
def test_a_sweeps_page_asks_what_holds_with_other_seeds_and_data(file: Path) -> None:
    name = str(file.relative_to(CONF / "sweeps").with_suffix(""))
    source = {"path": str(CONF), "schema": "file"}
    runtime = {"choices": {"sweeps": name}, "config_sources": [source]}
    text = question(OmegaConf.create({"hydra": {"runtime": runtime}}))
    assert "?" in text
    assert not [named for named in (*OPTIONS, "jpeg", "%", "images") if named in text.lower()]
    assert not [*counted(text, "seeds?"), *counted(text, "epochs")]


@pytest.mark.parametrize("data", ["tones", "syllables"])
def test_a_claim_on_another_data_set_names_none(data: str) -> None:
    for part in KNOWN["boulder"].parts.values():
        course = Course("quick", Path(), data=(f"data={data}",))
        for claim in course.claims_of(part):
            assert false_words(claim, "quick", course.words(part, part.steps[claim.step])) == [], claim.says


def claim(**keys: Any) -> Claim:
    return Claim(**{"says": "s", "step": "train", "metric": "test/accuracy", "quick": (0.455, None), **keys})


def test_braces_are_filled_from_the_band_and_the_step() -> None:
    words = ["-m", "data=spirals", "seed=0,1", "optimizer.lr=0.1,0.2", "trainer.epochs=3", "model.hidden=[8,9]"]
    text = "{low} on {data_set}, {seeds}, {trainer.epochs} epochs, {model.hidden[1]} units"
    assert claim_in_words(claim(says=text), "quick", words).says == "45.5% on spirals, 2 seeds, 3 epochs, 9 units"
    assert claim_in_words(claim(says="{seeds}"), "quick", ["seeds=1"]).says == "1 seed"
    assert (
        claim_in_words(claim(says="{low} to {high}", metric="val/loss", quick=(1.5, 2)), "quick", []).says == "1.5 to 2"
    )
    assert claim_in_words(claim(says="a", says_in={"quick": "b"}), "quick", []).says == "b"


def test_what_nothing_judges_is_a_question() -> None:
    assert claim_in_words(claim(says="it is ahead", quick=None), "quick", []).says == "it is ahead?"
    assert claim_in_words(claim(says="is it?", quick=None), "quick", []).says == "is it?"
    assert claim_in_words(claim(says="it is ahead", quick=None, goal=(0, None)), "quick", []).says == "it is ahead"


def test_other_words_for_the_same_claim_are_no_other_claim() -> None:
    other = claim(says="t", source="u", published_by="v", assignment_says="w", says_in={"full": "x"})
    assert other.asks == claim().asks
    assert claim(quick=(0.46, None)).asks != claim().asks
    assert claim(where={"model": "mlp"}).asks != claim().asks
