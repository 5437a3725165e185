"""SAEM² over SAM as a teacher: any size of section, tiles that blend; and who answers prompts as they were taught."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tiny_sam import SHAPE, greys, network, sections

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Proposer
from savem3.saem2.over_sam.overlapping import starts_of, weigh
from savem3.saem2.over_sam.parts import to_section
from savem3.saem2.over_sam.teacher import PublishedTeacher
from savem3.sam.prompter import Sam
from savem3.teacher import Teacher
from savem3.volume import IntensityMap

LONG = (40, 72)


def teacher(**settings):
    return PublishedTeacher(network(), **{"overlap": 16, **settings})


def disc(*, middle=(14, 20), radius=5, shape=SHAPE):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2


def test_it_is_a_teacher_and_its_maps_have_a_teachers_strides():
    look = teacher().look_at(greys(batch=3, shape=LONG))
    assert isinstance(teacher(), Teacher)
    assert look.boundary.shape == look.distance.shape == (3, 40, 72)
    assert look.feature.shape == (3, 4, 20, 36)
    assert look.embedding.shape == (3, 32, 5, 9)
    assert 0 <= look.boundary.min() <= look.boundary.max() <= 1


def test_a_section_of_one_tile_is_what_the_network_says():
    net, look = network(), teacher().look_at(greys(shape=SHAPE))
    with torch.inference_mode():
        heads = net(sections())
    np.testing.assert_allclose(look.boundary, heads.boundary.sigmoid().numpy(), atol=1e-6)
    np.testing.assert_allclose(look.feature, heads.feature.numpy(), atol=1e-6)
    np.testing.assert_allclose(look.embedding, heads.embedding.numpy(), atol=1e-6)


def test_where_tiles_overlap_they_are_averaged_by_their_distance_from_the_edge():
    """Along x tiles begin at 0 and 16: at pixel 20 the first counts 11.5 of 16, the second 4.5."""
    given = greys(batch=1, shape=(24, 48))
    look, net = teacher().look_at(given), network()
    with torch.inference_mode():
        first, second = (net(torch.from_numpy(given[:, :, x : x + 32])).boundary.sigmoid().numpy() for x in (0, 16))
    mixed = (11.5 * first[0, :, 20] + 4.5 * second[0, :, 4]) / 16
    np.testing.assert_allclose(look.boundary[0, :, 20], mixed, atol=1e-6)
    np.testing.assert_allclose(look.boundary[0, :, :16], first[0, :, :16], atol=1e-6)
    np.testing.assert_allclose(look.boundary[0, :, 32:], second[0, :, 16:], atol=1e-6)


@pytest.mark.parametrize("size", [8, 24, 32, 40, 48, 64, 72, 200])
def test_tiles_cover_every_pixel_and_begin_at_cells(size):
    tile = min(size, 32)
    starts = starts_of((16, size), tile=(16, tile), overlap=16)
    covered = np.zeros(size, int)
    for y, x in starts:
        assert y == 0
        assert x % 8 == 0
        covered[x : x + tile] += 1
    assert covered.min() >= 1
    assert all(b - a <= 16 for (_, a), (_, b) in pairwise(starts))
    assert weigh((16, tile), overlap=16, stride=8).min() > 0


def test_how_many_sections_are_looked_at_together_changes_nothing():
    given = greys(batch=3, shape=LONG)
    one, all_three = teacher(batch=1).look_at(given), teacher(batch=3).look_at(given)
    np.testing.assert_allclose(one.boundary, all_three.boundary, atol=1e-6)


def test_wrong_sections_and_overlaps_are_refused():
    with pytest.raises(ValueError, match="sections must be multiples of 8"):
        teacher().look_at(greys(shape=(20, 32)))
    for wrong in (4, 32, -8):
        with pytest.raises(ValueError, match="overlap must be a multiple of 8, at least 0 and below the tile of 32"):
            teacher(overlap=wrong)


@pytest.mark.parametrize("settings", [{}, {"heads_see_prompts": True}, {"hq_only": True}])
def test_prompts_are_answered_as_they_were_taught(settings):
    """On a section of one tile, of grey values that need no rounding once they are enlarged."""
    net = network(**settings)
    asked = PublishedTeacher(net, overlap=8).prompter(IntensityMap(0.0, 255.0))
    assert isinstance(asked, Proposer)
    given = np.random.default_rng(0).integers(0, 16, SHAPE, dtype=np.uint8) * np.uint8(16)
    two = PointPrompt(0, (5.0, 9.0), (8.0, 20.0), (True, False))
    prompts = [BoxPrompt(0, 2.0, 20.5, 5.0, 31.0), two, MaskPrompt(0, disc())]
    answers = asked.ask(given, prompts)
    with torch.inference_mode():
        seen = net.see(torch.from_numpy(IntensityMap(0.0, 255.0).to_unit(given))[None])
        replies = net.answer(seen, torch.zeros(3, dtype=torch.int64), prompts, shape=SHAPE)
        masks = to_section(net.mask(replies), SHAPE) > 0
    for answer, mask, iou in zip(answers, masks.numpy(), replies.iou[:, 0].tolist(), strict=True):
        assert (answer.mask != mask)[:-1, :-1].mean() < 0.003  # the last row and column look beyond the section
        assert answer.predicted_iou == pytest.approx(min(max(iou, 0), 1), abs=1e-3)


def test_tokens_of_heads_that_see_prompts_stand_beside_them():
    """Without them the masks would be others."""
    net = network(heads_see_prompts=True)
    given = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    prompt, models = BoxPrompt(0, 2.0, 20.0, 5.0, 31.0), (net.beside_prompts(), net.model)
    beside, without = (Sam(model, pixel_scale=2.0).ask(given, [prompt])[0] for model in models)
    assert (beside.mask != without.mask).any()
    assert len(net.model.mask_decoder.hq_token.weight) == 1


def test_a_prompter_takes_sections_of_any_size():
    asked = teacher().prompter(IntensityMap(0.0, 255.0))
    given = np.random.default_rng(0).integers(0, 255, (41, 75), dtype=np.uint8)
    (answer,) = asked.ask(given, [PointPrompt(0, (40.0,), (74.0,), (True,))])
    assert answer.mask.shape == (41, 75)
