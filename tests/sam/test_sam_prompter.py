from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sams import TILE, grey, one_thread, saved, tiny_sam

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt, Proposer
from savem3.sam import Sam, load_sam
from savem3.sam.pixels import MASK_LOGIT, to_encoder, to_section, to_tokens
from savem3.sam.prompter import likeliest_of
from savem3.sam.windows import Window
from savem3.volume import IntensityMap


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Sam:
    return load_sam(saved(tiny_sam(hq=True), tmp_path_factory.mktemp("sam")))


def disk(shape: tuple[int, int], y: int, x: int, radius: int) -> MaskPrompt:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return MaskPrompt(0, (rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def mixed(shape: tuple[int, int]) -> list[Prompt]:
    rows, columns = shape
    return [
        PointPrompt(0, (rows * 0.3,), (columns * 0.6,), (True,)),
        BoxPrompt(0, rows * 0.1, rows * 0.5, columns * 0.2, columns * 0.4),
        disk(shape, rows // 2, columns // 3, 9),
        PointPrompt(0, (rows * 0.3, rows * 0.5), (columns * 0.6, columns * 0.1), (True, False)),
        PointPrompt(0, (rows * 0.8,), (columns * 0.1,), (True,)),
        disk(shape, rows // 4, columns // 2, 5),
        PointPrompt(0, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (True, True, False)),
    ]


def test_a_sam_is_a_proposer(sam: Sam) -> None:
    assert isinstance(sam, Proposer)


@pytest.mark.parametrize("shape", [(TILE, TILE), (100, 150)], ids=["one tile", "six tiles"])
def test_a_mixed_batch_is_answered_as_each_prompt_alone(sam: Sam, shape: tuple[int, int]) -> None:
    encoded, prompts = sam.encode(grey(*shape)), mixed(shape)
    together = sam.propose(encoded, prompts)
    assert [len(answers) for answers in together] == [3, 1, 1, 1, 3, 1, 1]
    for prompt, answers in zip(prompts, together, strict=True):
        (alone,) = sam.propose(encoded, [prompt])
        for one, other in zip(answers, alone, strict=True):
            assert one.predicted_iou == pytest.approx(other.predicted_iou, abs=1e-5)
            assert (one.mask != other.mask).mean() < 1e-3
            assert one.mask.shape == shape


def test_the_batch_bounds_the_memory_and_not_the_answers(sam: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [PointPrompt(0, (float(y),), (9.0,), (True,)) for y in range(5, 40, 5)]
    together, sizes = replace(sam, batch=3), []
    decode = Sam.decode
    monkeypatch.setattr(Sam, "decode", lambda self, e, p, w: (sizes.append(len(p)), decode(self, e, p, w))[1])
    section = grey(50, 40)
    few, all_at_once = together.ask(section, prompts), sam.ask(section, prompts)
    assert sizes == [3, 3, 1, 7]
    assert [a.predicted_iou for a in few] == pytest.approx([a.predicted_iou for a in all_at_once], abs=1e-5)


def test_each_tile_is_encoded_once_and_only_when_it_is_needed(sam: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    encode = Sam.encode_tensor
    monkeypatch.setattr(Sam, "encode_tensor", lambda self, pixels: (seen.append(pixels), encode(self, pixels))[1])
    encoded = sam.encode(grey(100, 150))
    assert not seen
    for _ in range(2):
        sam.answer(encoded, [PointPrompt(0, (5.0,), (5.0,), (True,)), PointPrompt(0, (6.0,), (7.0,), (True,))])
        assert len(seen) == 1
    sam.tiles_of(encoded)
    assert len(seen) == len(encoded.layout.regular()) == 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (5, 64), (63, 65), (64, 64), (65, 130), (97, 33)])
def test_sections_of_any_size_are_answered_with_masks_of_that_size(sam: Sam, shape: tuple[int, int]) -> None:
    middle = PointPrompt(0, (shape[0] / 2,), (shape[1] / 2,), (True,))
    whole = BoxPrompt(0, 0, shape[0], 0, shape[1])
    for scaled in (sam, replace(sam, pixel_scale=2.0), replace(sam, pixel_scale="fit")):
        answers = scaled.ask(grey(*shape), [middle, whole, MaskPrompt(0, np.ones(shape, bool))])
        assert all(a.mask.shape == shape and 0 <= a.predicted_iou <= 1 and 0 <= a.stability <= 1 for a in answers)


def test_a_window_of_a_large_section_is_answered_as_that_window_alone(sam: Sam) -> None:
    section = grey(150, 170)
    encoded = sam.encode(section)
    corner = (56, 106)
    prompts: list[Prompt] = [
        PointPrompt(0, (90.0,), (140.0,), (True,)),
        BoxPrompt(0, 70.0, 95.0, 120.0, 160.0),
        disk((150, 170), 88, 139, 12),
    ]
    shifted: list[Prompt] = [
        PointPrompt(0, (90.0 - corner[0],), (140.0 - corner[1],), (True,)),
        BoxPrompt(0, 70.0 - corner[0], 95.0 - corner[0], 120.0 - corner[1], 160.0 - corner[1]),
        disk((TILE, TILE), 88 - corner[0], 139 - corner[1], 12),
    ]
    alone = sam.ask(section[56 : 56 + TILE, 106 : 106 + TILE], shifted)
    for answer, wanted in zip(sam.answer(encoded, prompts), alone, strict=True):
        assert answer.predicted_iou == wanted.predicted_iou
        assert answer.stability == wanted.stability
        np.testing.assert_array_equal(answer.mask[56 : 56 + TILE, 106 : 106 + TILE], wanted.mask)
        assert answer.mask.sum() == wanted.mask.sum() > 0


def test_y_and_x_are_not_swapped(sam: Sam) -> None:
    """SAM's own tokens are (x, y): the box of a wide object must be wide there."""
    window = Window(8, 3, TILE, TILE, 1.0)
    (box,) = to_tokens([BoxPrompt(0, 10.0, 12.0, 20.0, 50.0)], window, tile=TILE).boxes
    assert box.tolist() == [16.5, 1.5, 46.5, 3.5]
    (point,) = to_tokens([PointPrompt(0, (10.0,), (20.0,), (True,))], window, tile=TILE).points[0]
    assert point.tolist() == [17.0, 2.0]


def test_a_mask_prompt_lies_where_the_object_is_and_outside_it_is_surely_nothing() -> None:
    mask = np.zeros((40, 30), bool)
    mask[8:16, 4:26] = True
    (logits,) = to_tokens([MaskPrompt(0, mask)], Window(0, 0, 40, 30, 1.0), tile=TILE).masks
    wanted = np.full((16, 16), -MASK_LOGIT)
    wanted[2:4, 1:6] = MASK_LOGIT
    wanted[2:4, 6] = 0  # half of these four columns
    np.testing.assert_allclose(logits, wanted, atol=1e-6)


def test_a_mask_comes_back_to_the_pixels_that_it_was_seen_at() -> None:
    mask = np.zeros((31, 30), bool)
    mask[8:20, 4:24] = True
    for scale in (0.5, 1.0, 2.0):
        window = Window(0, 0, 31, 30, scale)
        (logits,) = to_tokens([MaskPrompt(0, mask)], window, tile=TILE).masks
        back = to_section(logits[None], window, tile=TILE)[0] > 0
        assert (back.numpy() & mask).sum() / (back.numpy() | mask).sum() > 0.75


def test_grey_values_pass_the_intensity_map_and_padding_is_zero(sam: Sam) -> None:
    section = np.array([[50, 100, 150]], np.uint8)
    told = replace(sam, intensity=IntensityMap(50.0, 150.0)).encode(section)
    assert told.section.tolist() == [[0, 128, 255]]
    pixels = to_encoder(told.section, seen=(1, 3), tile=TILE)
    assert pixels.shape == (1, 3, TILE, TILE)
    assert pixels[0, :, 0, 2].tolist() == pytest.approx(
        [(255 - 123.675) / 58.395, (255 - 116.28) / 57.12, 151.47 / 57.375]
    )
    assert pixels[0, :, 1:].abs().max() == pixels[0, :, :, 3:].abs().max() == 0


@pytest.mark.parametrize(
    ("iou", "taken"),
    [
        ([0.9, 0.5, 0.5], 0),
        ([0.9, 0.5, 0.84], 0),
        ([0.9, 0.5, 0.86], 2),
        ([0.9, 0.86, 0.5], 1),
        ([0.1, 0.2, 0.9], 2),
        ([0.5, 0.9, 0.86], 2),
        ([0.5, 0.9, 0.84], 1),
        ([0.3, 0.8], 1),
    ],
)
def test_the_last_mask_that_is_believed_nearly_as_much_is_taken(iou: list[float], taken: int) -> None:
    assert likeliest_of(iou) == taken


def test_an_answer_is_the_likeliest_of_the_proposals(sam: Sam) -> None:
    encoded = sam.encode(grey(TILE, TILE))
    prompts = [PointPrompt(0, (float(y),), (float(x),), (True,)) for y, x in ((3, 50), (30, 20), (60, 44))]
    for answer, proposals in zip(sam.answer(encoded, prompts), sam.propose(encoded, prompts), strict=True):
        ious = sam.decode(encoded, prompts, encoded.layout.regular()[0]).iou
        assert ious.shape == (3, 4)
        same = [np.array_equal(answer.mask, p.mask) and answer.predicted_iou == p.predicted_iou for p in proposals]
        assert any(same)


def test_stability_is_the_iou_of_the_masks_one_logit_apart(sam: Sam) -> None:
    encoded, point = sam.encode(grey(TILE, TILE)), PointPrompt(0, (30.0,), (20.0,), (True,))
    (window,) = encoded.layout.regular()
    logits = to_section(sam.decode(encoded, [point], window).masks[0, 1:], window, tile=TILE)
    wanted = [float((v > 1).sum()) / max(1.0, float((v > -1).sum())) for v in logits]
    got = [a.stability for a in sam.propose(encoded, [point])[0]]
    assert got == pytest.approx(wanted)
    assert any(0 < s < 1 for s in got)


def test_masks_may_be_the_hq_tokens_alone(sam: Sam) -> None:
    encoded, box = sam.encode(grey(TILE, TILE)), BoxPrompt(0, 10.0, 30.0, 5.0, 40.0)
    (window,) = encoded.layout.regular()
    masks = [replace(sam, hq_only=only).decode(encoded, [box], window).masks for only in (False, True)]
    assert not torch.allclose(masks[0], masks[1])
    assert torch.equal(masks[1][0, 0], masks[1][0, 3])


def test_tensors_are_encoded_with_their_gradients(sam: Sam) -> None:
    pixels = torch.zeros(2, 3, TILE, TILE, requires_grad=True)
    embedding, early = sam.encode_tensor(pixels)
    assert early is not None
    (embedding.sum() + early.square().sum()).backward()
    assert embedding.shape == (2, 32, 4, 4)
    assert early.shape == (2, 4, 4, 24)
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_no_prompts_have_no_answers(sam: Sam) -> None:
    assert sam.ask(grey(9, 9), []) == []
    assert sam.answer(sam.encode(grey(9, 9)), []) == []


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ([PointPrompt(0, (30.0,), (4.0,), (True,))], r"prompts must lie within the section of \(30, 20\) pixels"),
        ([BoxPrompt(0, -1.0, 4.0, 3.0, 5.0)], r"prompts must lie within the section of \(30, 20\) pixels"),
        ([MaskPrompt(0, np.ones((20, 30), bool))], r"mask must have pixels and the shape \(30, 20\) of the section"),
        ([MaskPrompt(0, np.zeros((30, 20), bool))], r"mask must have pixels .* got 0 in a mask"),
        ([BoxPrompt(0, 1.0, 4.0, 3.0, 5.0), BoxPrompt(1, 1.0, 4.0, 3.0, 5.0)], "prompts must be about one section"),
    ],
)
def test_prompts_that_cannot_be_about_the_section_are_refused(sam: Sam, prompts: list[Prompt], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sam.ask(grey(30, 20), prompts)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixel_scale": 0.0}, "pixel_scale must be 'fit', or above 0 and at most 64, got 0.0"),
        ({"pixel_scale": 65.0}, "pixel_scale must be"),
        ({"overlap": 1.0}, "overlap must be at least 0 and below 1, got 1.0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(sam: Sam, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(sam, **wrong)


def test_a_section_without_pixels_is_refused(sam: Sam) -> None:
    with pytest.raises(ValueError, match=r"section must have pixels, got one of \(0, 5\)"):
        sam.encode(np.zeros((0, 5), np.uint8))
