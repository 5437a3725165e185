import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_sams import one_thread
from torch import nn

from savem3.sam.building import build
from savem3.sam.tiny_vit import TinyVit, TinyVitShape, WindowAttention, WindowBlock, distances


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


def count(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def mobile_sam(*, hq: bool) -> Any:
    vision = {"hidden_size": 160, "num_hidden_layers": 0}
    decoder = {"vit_dim": 160} if hq else {}
    family = {"model_type": "sam_hq" if hq else "sam", "tiny_vit": TinyVitShape().settings}
    return build({**family, "vision_config": vision, "mask_decoder_config": decoder})


def test_mobile_sam_has_9_8_million_values() -> None:
    model = mobile_sam(hq=False)
    assert count(model.vision_encoder) == 5_743_892
    assert count(model.vision_encoder.neck) == 672_768
    assert count(model.prompt_encoder) == 6_476
    assert count(model.mask_decoder) == 4_058_340
    assert count(model) == 9_808_708
    assert count(model) == pytest.approx(9.66e6, rel=0.016), "the published count"


def test_without_neck_and_with_a_classifier_of_1000_classes_it_is_the_published_tiny_vit_5m() -> None:
    with torch.device("meta"):
        encoder = TinyVit()
    assert count(encoder) - count(encoder.neck) + 2 * 320 + 320 * 1000 + 1000 == 5_392_764


def test_the_light_hq_sam_has_10_3_million_values() -> None:
    assert count(mobile_sam(hq=True)) == 10_257_220


CONV = r"(c\.weight|bn\.(weight|bias|running_mean|running_var|num_batches_tracked))"
NAMES = {
    rf"patch_embed\.seq\.[02]\.{CONV}": 12,
    rf"layers\.0\.blocks\.[01]\.conv[123]\.{CONV}": 36,
    rf"layers\.[012]\.downsample\.conv[123]\.{CONV}": 54,
    r"layers\.(1\.blocks\.[01]|2\.blocks\.[0-5]|3\.blocks\.[01])\.attn\.(norm|qkv|proj)\.(weight|bias)": 60,
    r"layers\.[123]\.blocks\.\d\.attn\.attention_biases": 10,
    rf"layers\.[123]\.blocks\.\d\.local_conv\.{CONV}": 60,
    r"layers\.[123]\.blocks\.\d\.mlp\.(norm|fc1|fc2)\.(weight|bias)": 60,
    r"neck\.([02]\.weight|[13]\.(weight|bias))": 6,
}


def test_names_are_those_of_mobile_sam() -> None:
    with torch.device("meta"):
        names = [*TinyVit().state_dict()]
    fits = Counter(pattern for name in names for pattern in NAMES if re.fullmatch(pattern, name))
    assert fits == NAMES
    assert sum(NAMES.values()) == len(names)


def test_the_embedding_has_a_pixel_for_16_and_the_early_features_160_channels() -> None:
    torch.manual_seed(0)
    seen = TinyVit(TinyVitShape(image_size=96)).eval()(pixel_values=torch.randn(2, 3, 96, 96))
    assert seen.last_hidden_state.shape == (2, 256, 6, 6)
    (early,) = seen.intermediate_embeddings
    assert early.shape == (2, 6, 6, 160)
    assert (seen[0] is seen.last_hidden_state, seen[1] is seen.intermediate_embeddings) == (True, True)


def test_at_1024_pixels_the_resolutions_are_those_of_mobile_sam() -> None:
    with torch.device("meta"):
        encoder, maps, shapes = TinyVit(), torch.zeros(1, 3, 1024, 1024), []
        maps = encoder.patch_embed(maps)
        for stage in encoder.layers:
            shapes.append(tuple(maps.shape[1:]))
            maps = stage(maps)
        shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(64, 256, 256), (128, 128, 128), (160, 64, 64), (320, 64, 64), (320, 64, 64)]


def test_tiles_of_another_size_are_refused() -> None:
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=r"pixel_values must be tiles of 64 × itself, got \(64, 80\)"),
    ):
        TinyVit(TinyVitShape(image_size=64))(torch.zeros(1, 3, 64, 80))


def test_distances_within_a_window_count_along_y_first() -> None:
    table = distances(3)
    assert table[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert table[5].tolist() == [5, 4, 3, 2, 1, 0, 5, 4, 3]
    assert torch.equal(table, table.T)


def test_attention_is_that_of_the_formula() -> None:
    """Softmax of query · key / √width + what the distance adds, each head with its own query, key, value."""
    torch.manual_seed(0)
    attention = WindowAttention(8, heads=2, window=2)
    with torch.no_grad():
        attention.attention_biases.copy_(torch.randn(2, 4))
    tokens = torch.randn(3, 4, 8)
    joined = attention.qkv(attention.norm(tokens))
    heads = []
    for head in range(2):
        query, key, value = joined[..., 12 * head : 12 * head + 12].split(4, -1)
        scores = query @ key.transpose(1, 2) / 2 + attention.attention_biases[head][distances(2)]
        heads.append(scores.softmax(-1) @ value)
    torch.testing.assert_close(attention(tokens), attention.proj(torch.cat(heads, -1)), atol=1e-6, rtol=0)


def test_a_window_sees_itself_and_no_other() -> None:
    torch.manual_seed(0)
    block = WindowBlock(8, heads=2, window=4).eval()
    maps = torch.randn(1, 8, 10, 13)
    changed = maps.clone()
    changed[:, 2, 5, 9] += 1  # in the window of rows 4–7 and columns 8–11
    difference = (block._attend(changed) - block._attend(maps)).abs().amax((0, 1)) > 1e-7
    assert difference[4:8, 8:12].all()
    difference[4:8, 8:12] = False
    assert not difference.any()
