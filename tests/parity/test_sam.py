"""Our SAM against the forward pass of `transformers`, on tiny random checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sams import TILE, grey, one_thread, saved, tiny_sam
from torch.nn import functional as F

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from savem3.sam import Sam, load_sam
from savem3.sam.pixels import MASK_LOGIT, to_encoder

SECTION = grey(TILE, TILE)

POINT = PointPrompt(0, (20.0,), (41.0,), (True,))
POINTS = PointPrompt(0, (20.0, 33.5, 50.0), (41.0, 12.0, 3.0), (True, True, False))
BOX = BoxPrompt(0, 10.0, 31.0, 22.0, 60.0)
MASK = MaskPrompt(0, np.pad(np.ones((16, 28), bool), ((8, 40), (20, 16))))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module", params=[False, True], ids=["SAM", "HQ-SAM"])
def sam(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sam:
    return load_sam(saved(tiny_sam(hq=request.param), tmp_path_factory.mktemp("sam")))


def told(sam: Sam, prompt: Prompt, *, three: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks and predicted IoUs of `transformers`, in (x, y)."""
    given: dict[str, Any] = {}
    if isinstance(prompt, PointPrompt):
        given["input_points"] = torch.tensor([[list(zip(prompt.x, prompt.y, strict=True))]])
        given["input_labels"] = torch.tensor([[prompt.inside]]).int()
    elif isinstance(prompt, BoxPrompt):
        # SAM adds half a pixel to corners; ours are the edges of the pixels
        given["input_boxes"] = torch.tensor([[[prompt.x_start, prompt.y_start, prompt.x_stop, prompt.y_stop]]]) - 0.5
    else:
        coarse = F.avg_pool2d(torch.from_numpy(prompt.mask).float()[None, None], 4)
        given["input_masks"] = (coarse * 2 - 1) * MASK_LOGIT
    with torch.inference_mode():
        pixels = to_encoder(SECTION, seen=SECTION.shape, tile=TILE)
        out = sam.model(pixel_values=pixels, multimask_output=three, **given)
    return out.pred_masks[0, 0], out.iou_scores[0, 0]


@pytest.mark.parametrize("prompt", [POINT, POINTS, BOX, MASK], ids=["point", "points", "box", "mask"])
@pytest.mark.parametrize("three", [False, True])
def test_masks_and_predicted_ious_are_those_of_transformers(sam: Sam, prompt: Prompt, three: bool) -> None:
    encoded = sam.encode(SECTION)
    ours = sam.decode(encoded, [prompt], encoded.layout.regular()[0])
    masks, iou = told(sam, prompt, three=three)
    chosen = slice(1, None) if three else slice(0, 1)
    got_masks, got_iou = ours.masks[0, chosen], ours.iou[0, chosen]
    if three and hasattr(sam.model.mask_decoder, "hq_token"):
        # transformers sorts the three of an HQ-SAM, the best first
        order = got_iou.argsort(descending=True)
        got_masks, got_iou = got_masks[order], got_iou[order]
    torch.testing.assert_close(got_masks, masks, atol=1e-5, rtol=0)
    torch.testing.assert_close(got_iou, iou, atol=1e-5, rtol=0)
    assert masks.std() > 0.01
    assert not three or iou.std() > 0.01


def test_the_embedding_is_that_of_transformers(sam: Sam) -> None:
    encoded = sam.encode(SECTION)
    given = sam.model.get_image_embeddings(to_encoder(SECTION, seen=SECTION.shape, tile=TILE))
    wanted = given[0] if isinstance(given, tuple) else given
    (_, tile) = sam.tiles_of(encoded)[0]
    torch.testing.assert_close(tile.embedding, wanted[0], atol=1e-5, rtol=0)
    assert tile.embedding.shape == (32, TILE // 16, TILE // 16)


def test_the_hq_feature_is_the_sum_that_the_decoder_of_transformers_makes(sam: Sam) -> None:
    decoder, parts = sam.model.mask_decoder, {}
    (_, tile) = sam.tiles_of(sam.encode(SECTION))[0]
    if not hasattr(decoder, "hq_token"):
        assert tile.hq_feature is None
        return
    for name in ("compress_vit_conv2", "encoder_conv2"):
        getattr(decoder, name).register_forward_hook(
            lambda module, given, gives, name=name: parts.update({name: gives})
        )
    for prompt in (POINT, BOX):
        told(sam, prompt, three=False)
        torch.testing.assert_close(tile.hq_feature, sum(parts.values())[0], atol=1e-5, rtol=0)
    assert tile.hq_feature.shape == (4, TILE // 4, TILE // 4)


def test_an_hq_sam_that_corrects_nothing_answers_as_the_sam_that_it_stands_on() -> None:
    """HQ-SAM leaves SAM as it is; so this holds whatever the forward pass of its decoder in transformers does."""
    plain, hq = tiny_sam(hq=False), tiny_sam(hq=True, seed=1)
    hq.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        hq.mask_decoder.hq_mask_mlp.proj_out.weight.zero_()
        hq.mask_decoder.hq_mask_mlp.proj_out.bias.zero_()
        hq.mask_decoder.hq_token.weight.zero_()
    answers = [Sam(model).answer(Sam(model).encode(SECTION), [BOX, MASK]) for model in (plain, hq)]
    for one, other in zip(*answers, strict=True):
        assert one.mask.shape == other.mask.shape  # its token takes part in the attention, so masks are near, not equal
        assert (one.mask == other.mask).mean() > 0.9


def test_the_mask_is_what_the_processor_of_transformers_makes_of_the_logits(sam: Sam) -> None:
    from transformers import SamImageProcessorPil

    section, fit = grey(40, 47), replace(sam, pixel_scale="fit")
    processor = SamImageProcessorPil(size={"longest_edge": TILE}, pad_size={"height": TILE, "width": TILE})
    given = processor(np.stack([section] * 3, -1), return_tensors="pt")
    encoded = fit.encode(section)
    (window,) = encoded.layout.regular()
    ours = to_encoder(section, seen=window.seen, tile=TILE)
    torch.testing.assert_close(ours, given["pixel_values"].float(), atol=1e-5, rtol=0)
    logits = fit.decode(encoded, [POINT], window).masks[:, 1:]
    wanted = processor.post_process_masks([logits[0][None]], given["original_sizes"], given["reshaped_input_sizes"])[0][
        0
    ]
    got = np.stack([answer.mask for answer in fit.propose(encoded, [POINT])[0]])
    np.testing.assert_array_equal(got, wanted.numpy())
