"""SAEM² over SAM: sizes, strides, what learns, and that membranes know no prompt."""

import pytest
import torch
from tiny_sam import SHAPE, network, sam, sections

from savem3.prompt import BoxPrompt, PointPrompt
from savem3.saem2.over_sam import network as published
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.saem2.over_sam.parts import ENLARGE, FUSING, to_encoder
from savem3.sam.pixels import MEAN, SPREAD

ADDED = {"b": (768, 1_351_232, 3_213_312), "l": (1024, 1_613_376, 3_999_744), "h": (1280, 1_875_520, 4_786_176)}
ADDED["tiny"] = (160, 728_640, 1_345_536)


WHOLE = BoxPrompt(0, 0.0, float(SHAPE[0]), 0.0, float(SHAPE[1]))


def point(y, x):
    return PointPrompt(0, (float(y),), (float(x),), (True,))


def reply(net, prompts):
    seen = net.see(sections(batch=1))
    return net.answer(seen, torch.zeros(len(prompts), dtype=torch.int64), prompts, shape=SHAPE)


@pytest.mark.parametrize("encoder", ADDED)
def test_what_learns_has_the_stated_number_of_values(encoder):
    from transformers import SamHQConfig, SamHQModel

    width, shared, separate = ADDED[encoder]
    vision = {"hidden_size": width, "num_attention_heads": 8, "num_hidden_layers": 0}  # depth does not matter here
    with torch.device("meta"):
        model = SamHQModel(SamHQConfig(vision_config=vision, mask_decoder_config={"vit_dim": width}))
        for fusing, count in (("shared", shared), ("separate", separate)):
            assert sum(v.numel() for v in Saem2OverSam(model, fusing=fusing).learned.values()) == count
            assert f"{count:,}" in published.__doc__


def test_maps_have_the_strides_of_the_paper():
    heads = network()(sections())
    assert heads.boundary.shape == heads.distance.shape == (2, *SHAPE)
    assert heads.feature.shape == (2, 4, 12, 16)
    assert heads.embedding.shape == (2, 32, 3, 4)


@pytest.mark.parametrize("fusing", ["shared", "separate"])
def test_gradients_reach_what_learns_and_nothing_else(fusing):
    net = network(fusing=fusing).train()
    heads, asked = net(sections()), reply(net, [point(3, 4)])
    (heads.boundary.sum() + heads.distance.sum() + net.mask(asked).sum()).backward()
    reached = {name for name, value in net.named_parameters() if value.grad is not None and value.grad.any()}
    assert reached <= set(net.learned)
    assert all(value.grad is None for name, value in net.named_parameters() if name not in net.learned)
    silent = {name for name in net.learned if name not in reached}
    assert all("encoder_conv1.bias" in name or "compress_vit_conv1.bias" in name for name in silent), silent


def test_encoder_and_decoder_learn_when_asked_to():
    names = {n.split(".")[1] for n in network(train_encoder=True, train_decoder=True).learned if n.startswith("model.")}
    assert names == {"vision_encoder", "prompt_encoder", "mask_decoder"}
    assert {n.split(".")[1] for n in network().learned if n.startswith("model.")} == {"mask_decoder"}
    net = network(train_encoder=True).train()
    net(sections()).boundary.sum().backward()
    assert any(v.grad is not None for v in net.model.vision_encoder.parameters())


def test_a_frozen_encoder_stays_in_evaluation_mode():
    assert not network().train().model.vision_encoder.training
    assert network(train_encoder=True).train().model.vision_encoder.training


def test_membranes_and_distances_are_the_same_bits_whatever_was_asked():
    net = network()
    before = net(sections())
    for prompts in ([point(3, 4)], [BoxPrompt(0, 2.0, 9.0, 3.0, 20.0), point(20, 30)]):
        asked = reply(net, prompts)
        assert asked.boundary is None
        assert asked.distance is None
        after = net(sections())
        assert torch.equal(before.boundary, after.boundary)
        assert torch.equal(before.distance, after.distance)
        assert torch.equal(before.feature, after.feature)


def test_heads_that_see_prompts_move_by_less_than_their_own_spread():
    """Untrained. Where heads see no prompts it is 0, as the test before says."""
    net = network(heads_see_prompts=True)
    whole = net(sections(batch=1)).boundary
    asked = reply(net, [point(3, 4), BoxPrompt(0, 2.0, 9.0, 3.0, 20.0), WHOLE])
    maps = asked.boundary[:, : SHAPE[0] // 2, : SHAPE[1] // 2]
    moved = (maps[:2] - maps[2]).std()
    assert 0 < moved < whole.std()


def test_heads_are_read_from_the_pass_of_the_box_around_the_section():
    """Whether heads see prompts changes nothing in what a teacher sees."""
    one, other = network(), network(heads_see_prompts=True)
    torch.testing.assert_close(one(sections()).boundary, other(sections()).boundary, rtol=0, atol=0)
    asked = reply(other, [WHOLE])
    halved = torch.nn.functional.interpolate(
        asked.boundary[:, None, : SHAPE[0] // 2, : SHAPE[1] // 2], SHAPE, mode="bilinear"
    )
    torch.testing.assert_close(halved[:, 0], one(sections(batch=1)).boundary)


def test_heads_with_a_fusing_block_of_their_own_do_not_use_the_shared_one():
    for fusing, shares in (("shared", True), ("separate", False)):
        net = network(fusing=fusing)
        before = net(sections())
        with torch.no_grad():
            net.model.mask_decoder.mask_conv2.weight.neg_()
        after = net(sections())
        assert torch.equal(before.boundary, after.boundary) != shares
        assert torch.equal(before.feature, after.feature)


def test_a_fusing_block_of_its_own_starts_from_that_of_hq_sam():
    net = network(fusing="separate")
    for name in FUSING:
        for own, given in zip(
            net.distance.fusing[name].parameters(), getattr(net.model.mask_decoder, name).parameters(), strict=True
        ):
            assert torch.equal(own, given)
            assert own is not given


def test_masks_are_sams_and_a_correction_or_the_correction_alone():
    both, alone = network(), network(hq_only=True)
    asked = reply(both, [point(3, 4)])
    torch.testing.assert_close(both.mask(asked, which=2), asked.sam[:, 2] + asked.correction)
    torch.testing.assert_close(alone.mask(reply(alone, [point(3, 4)])), asked.correction)


def test_a_plain_sam_lends_all_that_it_has():
    plain = sam(hq=False)
    net = Saem2OverSam(plain).eval()
    own = net.model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in plain.state_dict().items())
    expected = plain.vision_encoder(pixel_values=to_encoder(sections(), tile=32)).last_hidden_state
    torch.testing.assert_close(net.see(sections()).embedding, expected)


def test_the_encoder_sees_enlarged_grey_and_nothing_beyond_the_section():
    section = torch.full((1, 8, 16), -1.0)
    section[:, :, 8:] = 1
    pixels = to_encoder(section, tile=32)
    assert pixels.shape == (1, 3, 64, 64)
    assert not pixels[:, :, ENLARGE * 8 :].any()
    assert not pixels[:, :, :, ENLARGE * 16 :].any()
    for channel, (mean, spread) in enumerate(zip(MEAN, SPREAD, strict=True)):
        assert pixels[0, channel, 3, 2].item() == pytest.approx(-mean / spread)
        assert pixels[0, channel, 3, 29].item() == pytest.approx((255 - mean) / spread)


@pytest.mark.parametrize("shape", [(24, 40), (20, 32), (0, 32)])
def test_sections_that_are_no_tile_are_refused(shape):
    with pytest.raises(ValueError, match="sections must be multiples of 8 and at most 32 pixels, got"):
        network().see(torch.zeros(1, *shape))
