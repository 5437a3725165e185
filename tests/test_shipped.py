"""What ships: models with cards that say what trained them, and a crop that none of them learned from."""

from pathlib import Path

import numpy as np
import pytest

from savem3.bank import DATASETS
from savem3.evaluate import score
from savem3.pipeline import reconstruct, settings_for
from savem3.shipped import MODELS, STUDENT, TEACHER, find_model, read_example, read_student
from savem3.store.weights import Weights, read_weights

APART = Path(__file__).parents[1] / "noncommercial"
WEIGHTS = {path.stem: read_weights(path) for folder in (MODELS, APART) for path in folder.glob("*.safetensors")}
CARDS = {name: weights.card for name, weights in WEIGHTS.items()}


@pytest.mark.parametrize("name", sorted(CARDS))
def test_shipped_models_learned_from_permissive_data_alone_or_say_so_in_name_and_licence(name):
    cards = [dataset.split(":")[0] for dataset in [*CARDS[name]["labels"], *CARDS[name]["raw"]]]
    permissive = all(card == "synthetic" or DATASETS[card].permissive for card in cards)
    assert permissive == ("noncommercial" not in name)
    assert permissive == ("non-commercial" not in CARDS[name]["licence"])
    assert permissive == (MODELS / f"{name}.safetensors").exists(), "the package holds permissive models alone"


@pytest.mark.parametrize("name", sorted(CARDS))
def test_no_label_of_the_validation_sections_trained_a_shipped_model(name):
    for dataset in CARDS[name]["labels"]:
        card, split, *sections = dataset.split(":")
        if card == "fib25_training_sample2":
            last = int(sections[0].split("-")[1]) if sections else max(DATASETS[card].splits[split])
            assert split == "train"
            assert last < 120


@pytest.mark.parametrize("name", sorted(CARDS))
def test_every_shipped_model_has_a_page_with_its_digest(name):
    folder = MODELS if (MODELS / f"{name}.safetensors").exists() else APART
    page = (folder / f"{name}.md").read_text(encoding="utf-8")
    assert WEIGHTS[name].sha256 in page
    assert "licence" in page.lower()


def test_the_student_says_where_it_cuts():
    assert 0 < float(CARDS[STUDENT]["beta"]) < 1
    settings = settings_for(read_student()[1])
    assert settings.beta == CARDS[STUDENT]["beta"]
    assert settings.cutter == CARDS[STUDENT]["cutter"]
    assert settings_for(read_student()[1], beta=0.7).beta == 0.7


def test_the_large_student_is_given_smaller_patches():
    settings = settings_for(Weights("superhuman", {}))
    assert np.prod(settings.predict.patch) < np.prod(settings_for(read_student()[1]).predict.patch)


def test_a_model_is_found_by_name_or_path_and_nothing_else(tmp_path):
    assert find_model(STUDENT) == MODELS / f"{STUDENT}.safetensors"
    assert find_model(str(MODELS / f"{TEACHER}.safetensors")) == MODELS / f"{TEACHER}.safetensors"
    with pytest.raises(FileNotFoundError, match=r"model must be a shipped one \(saem2-tiny, savem3-fast\)"):
        find_model(str(tmp_path / "none"))


def test_the_bundled_crop_is_real_small_and_labelled_throughout():
    image, truth = read_example()
    assert image.grid.shape == truth.grid.shape == (64, 192, 192)
    assert image.grid.voxel_size == (10.0, 10.0, 10.0)
    assert image.grid.origin[0] >= 1300, "no section before 130 of FIB-25 sample 2"
    assert np.asarray(image.voxels[32]).std() > 10
    assert np.asarray(truth.voxels[32]).min() > 0


@pytest.mark.slow
def test_the_bundled_crop_is_reconstructed_about_as_well_as_its_card_says():
    image, truth = read_example()
    student, weights = read_student()
    made = reconstruct(image, student, settings=settings_for(weights))
    scores = score(made.labels, truth, fragments=made.fragments)
    stated = weights.card["scores"]["bundled crop"]
    assert made.labels.voxels.min() > 0
    assert scores.voi == pytest.approx(stated["voi"], abs=0.05)
    assert scores.arand_skimage == pytest.approx(stated["arand"], abs=0.02)
