import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_names import published
from tiny_sams import TILE, grey, one_thread, saved, tiny_sam

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from savem3.sam import Sam, convert_checkpoint, load_sam
from savem3.sam.building import build
from savem3.sam.names import POSITIONS, TIED
from savem3.sam.tiny_vit import TinyVit, TinyVitShape
from savem3.store.weights import UnusableWeights

PROMPTS: list[Prompt] = [
    PointPrompt(0, (20.0,), (41.0,), (True,)),
    BoxPrompt(0, 10.0, 31.0, 22.0, 60.0),
    MaskPrompt(0, np.pad(np.ones((16, 28), bool), ((8, 40), (20, 16)))),
]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def plain() -> Any:
    return tiny_sam(hq=False)


@pytest.fixture
def pth(plain: Any, tmp_path: Path) -> Path:
    torch.save(published(plain), tmp_path / "sam_vit_b.pth")
    return tmp_path / "sam_vit_b.pth"


def tiny_mobile_sam(*, hq: bool, image_size: int) -> Any:
    """A SAM around a TinyViT of the published size."""
    small = {"hidden_size": 32, "image_size": image_size}
    config = {
        "model_type": "sam_hq" if hq else "sam",
        "vision_config": {"hidden_size": 160, "num_hidden_layers": 0, "num_pos_feats": 16, "image_size": image_size},
        "prompt_encoder_config": small,
        "mask_decoder_config": {
            "hidden_size": 32,
            "mlp_dim": 40,
            "layer_norm_eps": 1e-5,
            **({"vit_dim": 160} if hq else {}),
        },
        "tiny_vit": TinyVitShape(image_size=image_size, wide=32).settings,
    }
    return config, build(config)


def assert_alike(ours: Sam, wanted: Sam) -> None:
    section = grey(TILE, TILE)
    for one, other in zip(*([s.propose(s.encode(section), PROMPTS) for s in (ours, wanted)]), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.predicted_iou == b.predicted_iou
            np.testing.assert_array_equal(a.mask, b.mask)
    assert any(0 < a.mask.mean() < 1 for a in wanted.ask(section, PROMPTS))


@pytest.mark.parametrize("hq", [False, True], ids=["SAM", "HQ-SAM"])
def test_a_published_file_answers_as_the_model_that_it_was_made_of(hq: bool, tmp_path: Path) -> None:
    model = tiny_sam(hq=hq)
    values = published(model)
    assert not {name.split(".")[0] for name in values} - {"image_encoder", "prompt_encoder", "mask_decoder"}
    torch.save(values, tmp_path / "published.pth")
    convert_checkpoint(tmp_path / "published.pth", tmp_path / "converted")
    assert_alike(load_sam(tmp_path / "converted"), load_sam(saved(model, tmp_path / "saved")))


def test_what_was_converted_can_be_read_by_transformers_too(pth: Path, plain: Any, tmp_path: Path) -> None:
    from transformers import SamModel

    convert_checkpoint(pth, tmp_path / "converted")
    model, told = SamModel.from_pretrained(tmp_path / "converted", output_loading_info=True, use_safetensors=True)
    assert not told["missing_keys"] | told["unexpected_keys"]
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=0, rtol=0)


def test_the_configuration_is_read_from_the_shapes(pth: Path, plain: Any, tmp_path: Path) -> None:
    convert_checkpoint(pth, tmp_path / "converted")
    config = json.loads((tmp_path / "converted" / "config.json").read_text())
    for part in ("vision_config", "prompt_encoder_config", "mask_decoder_config"):
        wanted = getattr(plain.config, part).to_dict()
        assert config[part] == {name: wanted[name] for name in config[part]}


@pytest.mark.parametrize("hq", [False, True], ids=["MobileSAM", "light HQ-SAM"])
def test_a_published_tiny_vit_keeps_its_names_and_loses_its_classifier(hq: bool, tmp_path: Path) -> None:
    config, model = tiny_mobile_sam(hq=hq, image_size=TILE)
    torch.manual_seed(0)
    values = {
        name: torch.randn(v.shape).mul(0.1) if v.is_floating_point() else v.new_zeros((), device="cpu")
        for name, v in model.state_dict().items()
    }
    for name, value in values.items():
        if "norm" in name or ".bn." in name:
            value.abs_().add_(0.5) if value.is_floating_point() else None
    values[TIED] = values[POSITIONS]
    model.load_state_dict(values, assign=True)
    classifier = {
        "norm_head.weight": torch.ones(320),
        "norm_head.bias": torch.ones(320),
        "head.weight": torch.ones(7, 320),
        "head.bias": torch.ones(7),
    }
    given = published(model, tiny=True)
    assert {n.split("image_encoder.")[1] for n in given if "image_encoder" in n} == {
        *TinyVit(TinyVitShape(wide=32)).state_dict()
    }
    torch.save(given | {f"image_encoder.{name}": v for name, v in classifier.items()}, tmp_path / "mobile_sam.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "savem3.sam.conversion.TinyVitShape", lambda image_size: TinyVitShape(image_size=image_size, wide=32)
        )
        convert_checkpoint(tmp_path / "mobile_sam.pt", tmp_path / "converted", image_size=TILE)
    sam = load_sam(tmp_path / "converted")
    assert isinstance(sam.model.vision_encoder, TinyVit)
    assert json.loads((tmp_path / "converted" / "config.json").read_text())["tiny_vit"] == config["tiny_vit"]
    assert_alike(sam, Sam(model.eval()))
    feature = sam.tiles_of(sam.encode(grey(TILE, TILE)))[0][1].hq_feature
    assert (None if feature is None else feature.shape) == ((4, TILE // 4, TILE // 4) if hq else None)


class Wicked:
    """What a hostile file holds: when it is unpickled, it runs a command."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.witness),)


def test_a_file_that_would_run_code_is_refused_in_one_sentence(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    torch.save({"image_encoder.pos_embed": Wicked(witness)}, tmp_path / "wicked.pth")
    with pytest.raises(UnusableWeights, match=r"wicked.pth must be a checkpoint that holds tensors alone, got") as said:
        convert_checkpoint(tmp_path / "wicked.pth", tmp_path / "converted")
    assert "\n" not in str(said.value)
    assert not witness.exists()
    assert not (tmp_path / "converted").exists()
    torch.load(tmp_path / "wicked.pth", weights_only=False)
    assert witness.exists(), "the file is harmless, so the test showed nothing"


def test_a_pickle_written_by_hand_is_refused_too(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (tmp_path / "old.pth").write_bytes(b"cposix\nmkdir\n(V" + str(witness).encode() + b"\ntR.")
    with pytest.raises(UnusableWeights, match=r"old.pth must be a checkpoint that holds tensors alone"):
        convert_checkpoint(tmp_path / "old.pth", tmp_path / "converted")
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "sam.pth").write_bytes(content)
    with pytest.raises(UnusableWeights, match=r"sam.pth must be a checkpoint"):
        convert_checkpoint(tmp_path / "sam.pth", tmp_path / "converted")


@pytest.mark.parametrize("held", [[torch.ones(2)], {"model": {"image_encoder.pos_embed": torch.ones(2)}}, {}])
def test_a_file_without_tensors_by_name_is_refused(held: object, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "sam.pth")
    with pytest.raises(UnusableWeights, match=r"sam.pth must hold tensors by name"):
        convert_checkpoint(tmp_path / "sam.pth", tmp_path / "converted")


def test_missing_and_unexpected_values_are_named(plain: Any, tmp_path: Path) -> None:
    values = published(plain)
    del values["mask_decoder.iou_token.weight"]
    torch.save(values, tmp_path / "sam.pth")
    with pytest.raises(UnusableWeights, match=r"without mask_decoder.iou_token.weight"):
        convert_checkpoint(tmp_path / "sam.pth", tmp_path / "converted")
    values = published(plain) | {"lora.weight": torch.ones(1)}
    del values["prompt_encoder.no_mask_embed.weight"]
    torch.save(values, tmp_path / "sam.pth")
    named = r"got 1 missing \['prompt_encoder.no_mask_embed.weight'\] and 1 unexpected \['lora.weight'\]"
    with pytest.raises(UnusableWeights, match=named):
        convert_checkpoint(tmp_path / "sam.pth", tmp_path / "converted")


def test_a_value_of_another_shape_is_named(plain: Any, tmp_path: Path) -> None:
    values = published(plain) | {"prompt_encoder.no_mask_embed.weight": torch.ones(1, 31)}
    torch.save(values, tmp_path / "sam.pth")
    with pytest.raises(
        UnusableWeights, match=r"no_mask_embed.weight in sam.pth must have the shape \(1, 32\), got \(1, 31\)"
    ):
        convert_checkpoint(tmp_path / "sam.pth", tmp_path / "converted")


def test_no_folder_is_overwritten(pth: Path, tmp_path: Path) -> None:
    convert_checkpoint(pth, tmp_path / "converted")
    with pytest.raises(FileExistsError, match="folder must be new or empty, got"):
        convert_checkpoint(pth, tmp_path / "converted")


def test_a_flipped_bit_is_found(pth: Path, tmp_path: Path) -> None:
    convert_checkpoint(pth, tmp_path / "converted")
    path = tmp_path / "converted" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnusableWeights, match=r"model.safetensors must match its SHA-256"):
        load_sam(tmp_path / "converted")


def test_values_that_do_not_fit_the_configuration_are_refused(plain: Any, tmp_path: Path) -> None:
    saved(plain, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        UnusableWeights, match=r"must hold the values of its model, got 14 missing \['vision_encoder.layers.2"
    ):
        load_sam(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "config.json must be JSON"),
        ("[]", "config.json must be a table, got a list"),
        ('{"model_type": "bert"}', r"model_type must be one of \['sam', 'sam_hq'\], got bert"),
        ('{"model_type": "sam", "vision_config": {"hidden_size": "wide"}}', "config must describe a SAM or HQ-SAM"),
    ],
)
def test_a_configuration_of_something_else_is_refused(config: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UnusableWeights, match=said):
        load_sam(tmp_path)


def test_a_folder_of_pickles_is_told_how_to_be_converted(tmp_path: Path) -> None:
    (tmp_path / "sam_vit_b.pth").write_bytes(b"")
    with pytest.raises(
        FileNotFoundError, match=r"without config.json; make one of sam_vit_b.pth with convert_checkpoint"
    ):
        load_sam(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(FileNotFoundError, match=r"folder must hold model.safetensors, .*convert_checkpoint"):
        load_sam(tmp_path)


def test_half_precision_values_are_computed_with_in_full(plain: Any, tmp_path: Path) -> None:
    sam = load_sam(saved(tiny_sam(hq=False).half(), tmp_path))
    assert {v.dtype for v in sam.model.parameters()} == {torch.float32}
    assert sam.ask(grey(9, 20), [BoxPrompt(0, 1.0, 5.0, 2.0, 9.0)])[0].mask.shape == (9, 20)


def test_a_name_is_never_fetched_unless_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[bool] = []

    def snapshot(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append(local_files_only)
        assert not any("bin" in pattern or "*.pt" in pattern for pattern in allow_patterns)
        raise OSError("no connection\nto the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(
        FileNotFoundError, match=r"got nobody/no-sam: no such folder, nor is it .* online=True may"
    ) as said:
        load_sam("nobody/no-sam")
    assert "\n" not in str(said.value)
    with pytest.raises(FileNotFoundError, match=r"nor could it be fetched from the hub \(no connection\)") as said:
        load_sam("nobody/no-sam", online=True)
    assert "\n" not in str(said.value)
    assert asked == [True, False]


def test_a_name_in_the_cache_is_loaded_without_a_network(
    plain: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved(plain, tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **settings: str(tmp_path))
    assert load_sam("somebody/sam").tile == TILE


def test_without_transformers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "savem3\[sam\]"'):
        load_sam(tmp_path)
