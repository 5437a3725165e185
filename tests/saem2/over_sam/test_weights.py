"""The file of SAEM² over SAM: small beside its SAM, or whole; and never on another SAM."""

import pytest
import torch
from tiny_sam import network, sam, sections

from savem3.saem2 import Saem2, save_teacher
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.saem2.over_sam.weights import load_published, save_published
from savem3.sam.tiny_vit import TinyVit, TinyVitShape
from savem3.store.weights import UnusableWeights, Weights, read_weights, write_weights


def assert_same(one, other):
    for name in ("boundary", "distance", "feature", "embedding"):
        assert torch.equal(getattr(one(sections()), name), getattr(other(sections()), name))


@pytest.mark.parametrize("settings", [{}, {"fusing": "separate", "heads_see_prompts": True}, {"train_decoder": True}])
def test_what_was_learned_is_found_again_on_the_same_sam(tmp_path, settings):
    net = network(base="a tiny one", **settings)
    with torch.no_grad():
        for value in net.learned.values():
            value.add_(0.01)
    save_published(net, tmp_path / "heads.safetensors", card={"licence": "MIT"})
    found, weights = load_published(tmp_path / "heads.safetensors", model=sam())
    assert_same(net, found)
    assert not found.training
    assert {name: getattr(found, name) for name in settings} == settings
    assert weights.card["licence"] == "MIT"
    assert not any("vision_encoder" in name for name in weights.tensors)


def test_a_plain_sam_is_as_good_a_base_as_it_was_when_it_was_trained_on(tmp_path):
    net = Saem2OverSam(sam(hq=False)).eval()
    save_published(net, tmp_path / "heads.safetensors", card={})
    found, _ = load_published(tmp_path / "heads.safetensors", model=sam(hq=False))
    assert_same(net, found)


def test_a_whole_file_stands_alone(tmp_path):
    net = network()
    save_published(net, tmp_path / "whole.safetensors", card={}, whole=True)
    found, _ = load_published(tmp_path / "whole.safetensors")
    assert_same(net, found)


def test_a_whole_file_may_have_a_tiny_vit(tmp_path):
    shape = TinyVitShape(64, (8, 8, 16, 16), (1, 1, 1, 1), (1, 2, 2), (2, 2, 2), wide=32)
    plain = sam(hq=False)
    torch.manual_seed(0)
    plain.vision_encoder = TinyVit(shape).eval()
    net = Saem2OverSam(plain).eval()
    assert net.see(sections()).early.shape == (2, 4, 4, 16)
    assert any(name.endswith("running_mean") for name, _ in net.named_buffers())
    save_published(net, tmp_path / "heads.safetensors", card={})
    found, weights = load_published(tmp_path / "heads.safetensors", model=plain)
    assert_same(net, found)
    assert not any("vision_encoder" in name for name in weights.tensors)
    save_published(net, tmp_path / "whole.safetensors", card={}, whole=True)
    assert_same(net, load_published(tmp_path / "whole.safetensors")[0])


def test_another_encoder_than_the_configuration_says_is_not_written_whole(tmp_path):
    net = network()
    net.model.vision_encoder.layers.append(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="network must be described by its configuration to be written whole"):
        save_published(net, tmp_path / "whole.safetensors", card={}, whole=True)


def test_another_sam_is_refused_by_its_digest(tmp_path):
    path = tmp_path / "heads.safetensors"
    save_published(network(base="a tiny one"), path, card={})
    with pytest.raises(UnusableWeights, match=r"model must be the SAM that heads.safetensors stands on \(a tiny one"):
        load_published(path, model=sam(seed=3))
    with pytest.raises(ValueError, match=r"model must be a tiny one, the SAM that heads.safetensors stands on"):
        load_published(path)


def test_what_an_encoder_learned_belongs_to_the_file(tmp_path):
    net = network(train_encoder=True)
    with torch.no_grad():
        net.model.vision_encoder.neck.conv1.weight.add_(0.01)
    save_published(net, tmp_path / "all.safetensors", card={})
    found, _ = load_published(tmp_path / "all.safetensors", model=sam())
    assert_same(net, found)


def test_files_of_other_networks_and_halves_are_refused(tmp_path):
    path = tmp_path / "some.safetensors"
    save_teacher(Saem2(), path, card={})
    with pytest.raises(UnusableWeights, match="weights must be for saem2-over-sam, got saem2-tiny"):
        load_published(path, model=sam())
    save_published(network(), path, card={})
    weights = read_weights(path)
    kept = {name: value for name, value in weights.tensors.items() if name != "boundary.token.weight"}
    write_weights(Weights(weights.architecture, kept, weights.card), path)
    with pytest.raises(UnusableWeights, match=r"missing \['boundary.token.weight'\]"):
        load_published(path, model=sam())
