"""SAEM² over SAM with our tokens taken away is the SAM of transformers."""

import pytest
import torch

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.saem2.over_sam.parts import attend
from savem3.saem2.over_sam.prompts import encode_prompts

VISION = {"hidden_size": 16, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION |= {"image_size": 64, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 16, "mlp_dim": 32}
PROMPT = {"hidden_size": 32, "image_size": 64, "mask_input_channels": 8}
MASK = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32}


def build(kind, config, **more):
    """With values large enough for outputs to differ."""
    torch.manual_seed(0)
    model = kind(config(vision_config=VISION, prompt_encoder_config=PROMPT, mask_decoder_config=MASK | more)).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, value[0].numel() ** -0.5)
    return model


@pytest.fixture(scope="module")
def hq():
    from transformers import SamHQConfig, SamHQModel

    return build(SamHQModel, SamHQConfig, vit_dim=16)


@pytest.fixture(scope="module")
def plain():
    from transformers import SamConfig, SamModel

    return build(SamModel, SamConfig)


def sections():
    return torch.rand(1, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def block():
    mask = torch.zeros(24, 32, dtype=torch.bool)
    mask[4:10, 18:30] = True
    return mask.numpy()


def block_logits():
    """A pixel for 2 × 2 of the section, to the end of the tile."""
    logits = torch.full((1, 1, 16, 16), -7.0)
    logits[:, :, 2:5, 9:15] = 7.0
    return logits


ASKED = {
    "points": (
        PointPrompt(0, (3.0, 8.0), (20.0, 5.0), (True, False)),
        {
            # the centre of pixel y is at 2 y + 1, and SAM adds one half
            "input_points": torch.tensor([[[[40.5, 6.5], [10.5, 16.5]]]]),
            "input_labels": torch.tensor([[[1, 0]]]),
        },
    ),
    "box": (BoxPrompt(0, 2.0, 9.0, 3.0, 20.0), {"input_boxes": torch.tensor([[[5.5, 3.5, 39.5, 17.5]]])}),
    "mask": (MaskPrompt(0, block()), {"input_masks": block_logits()}),
}


@pytest.mark.parametrize("kind", ASKED)
def test_masks_and_iou_are_those_of_hq_sam(hq, kind):
    prompt, given = ASKED[kind]
    net = Saem2OverSam(hq).eval()
    with torch.inference_mode():
        seen = net.see(sections())
        ours = net.answer(seen, torch.zeros(1, dtype=torch.int64), [prompt], shape=(24, 32))
        named = {"image_embeddings": seen.embedding, "intermediate_embeddings": [seen.early], **given}
        clear, alone = (hq(**named, multimask_output=False, hq_token_only=only) for only in (False, True))
        three = hq(**named, multimask_output=True)
    torch.testing.assert_close(net.mask(ours), clear.pred_masks[:, 0, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.correction, alone.pred_masks[:, 0, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.iou[:, :1], clear.iou_scores[:, 0], rtol=0, atol=1e-5)
    order = ours.iou[0, 1:].argsort(descending=True) + 1
    torch.testing.assert_close(ours.iou[0, order], three.iou_scores[0, 0], rtol=0, atol=1e-5)
    masks = torch.stack([net.mask(ours, which=int(n))[0] for n in order])
    torch.testing.assert_close(masks, three.pred_masks[0, 0], rtol=0, atol=1e-5)
    assert masks.std() > 0.05


@pytest.mark.parametrize("kind", ASKED)
def test_without_the_hq_token_masks_and_iou_are_those_of_sam(plain, kind):
    prompt, given = ASKED[kind]
    net = Saem2OverSam(plain).eval()
    decoder = net.model.mask_decoder
    with torch.inference_mode():
        embedding = net.see(sections()).embedding
        (asked,) = encode_prompts(net.model, [prompt], shape=(24, 32))
        own = [decoder.iou_token, decoder.mask_tokens]
        ours = attend(net.model, embedding, asked.sparse, asked.dense, own=own)
        mlps = zip(decoder.output_hypernetworks_mlps, ours.tokens[0, 1:5], strict=True)
        masks = torch.einsum("mc,cyx->myx", torch.stack([mlp(token) for mlp, token in mlps]), ours.fine[0])
        theirs = plain(image_embeddings=embedding, multimask_output=True, **given)
    torch.testing.assert_close(masks[1:], theirs.pred_masks[0, 0], rtol=0, atol=1e-5)
    iou = decoder.iou_prediction_head(ours.tokens[:, 0])
    torch.testing.assert_close(iou[0, 1:], theirs.iou_scores[0, 0], rtol=0, atol=1e-5)
