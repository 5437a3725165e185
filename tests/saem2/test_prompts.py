"""The prompt decoder: it follows prompts, answers each on its own, and leaves membranes alone."""

import numpy as np
import pytest
import torch

from savem3.grid import Grid
from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompter
from savem3.saem2 import (
    PromptDecoder,
    PromptRecipe,
    Saem2,
    Saem2Prompter,
    load_teacher,
    prompt_loss,
    save_teacher,
    train_prompts,
)
from savem3.saem2.prompt_training import draw_box, draw_mask, draw_point, draw_points, instances_of
from savem3.saem2.prompter import place
from savem3.saem2.prompts import WINDOW, Hint, Kind, Placed, cut
from savem3.store.weights import UnusableWeights, read_weights, write_weights
from savem3.volume import BoundaryMap, DistanceMap, Image, IntensityMap, Labels, Sample

SHAPE = (44, 60)


def prompter(**settings):
    """Knows nothing, but is eager: about half of all pixels are in its masks."""
    torch.manual_seed(0)
    decoder = PromptDecoder().eval()
    with torch.no_grad():
        decoder.weights[-1].bias.zero_()
    return Saem2Prompter(Saem2().eval(), decoder, **settings)


def section(shape=SHAPE):
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def point(y, x, inside=True):
    return PointPrompt(0, (float(y),), (float(x),), (inside,))


def disc(shape=SHAPE, *, middle=(20, 30), radius=7):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2


def prompts():
    three = PointPrompt(0, (5.0, 9.0, 30.0), (8.0, 50.0, 33.0), (True, False, True))
    return [point(3, 4), BoxPrompt(0, 2.0, 20.5, 10.0, 31.0), three, MaskPrompt(0, disc()), point(40, 55)]


def squares():
    """Four bright cells in each section, dark membrane between them."""
    grid = Grid((3, 64, 80), (30.0, 6.0, 6.0))
    labels = np.zeros(grid.shape, np.uint64)
    for number, (y, x) in enumerate([(0, 0), (0, 40), (32, 0), (32, 40)], start=1):
        labels[:, y + 2 : y + 30, x + 2 : x + 38] = number
    membrane = labels == 0
    raw = np.where(membrane, 40, 200).astype(np.uint8)
    return Sample(
        "squares",
        Image(raw, grid),
        Labels(labels, grid),
        BoundaryMap((membrane * 255).astype(np.uint8), grid),
        DistanceMap(np.zeros(grid.shape, np.float32), grid),
        linked=True,
        licence="none",
    )


def assert_same(answers, others):
    for a, b in zip(answers, others, strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        assert a.predicted_iou == pytest.approx(b.predicted_iou, abs=1e-5)


@pytest.mark.slow
def test_a_mask_goes_where_its_prompt_points():
    torch.manual_seed(0)
    sample = squares()
    recipe = PromptRecipe(steps=120, sections=1, prompts=4, learning_rate=2e-3, memory=0.9, bfloat16=False)
    decoder = train_prompts(network := Saem2().eval(), [sample], recipe=recipe)
    asked = Saem2Prompter(network, decoder, IntensityMap(40.0, 200.0))
    labels = sample.labels.voxels[0]
    wanted = [labels == labels[y, x] for y, x in [(16, 20), (48, 60)]]
    for answer, truth in zip(asked.ask(sample.image.voxels[0], [point(16, 20), point(48, 60)]), wanted, strict=True):
        assert (answer.mask & truth).sum() / (answer.mask | truth).sum() > 0.6
        assert answer.predicted_iou > 0.4


def test_the_network_stays_as_it_was():
    torch.manual_seed(0)
    network, lines = Saem2().eval(), []
    before = {name: value.clone() for name, value in network.state_dict().items()}
    recipe = PromptRecipe(steps=3, sections=1, prompts=1)
    train_prompts(network, [squares()], recipe=recipe, on_progress=lambda progress, _: lines.append(progress))
    assert [line.step for line in lines] == [3]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_answers_come_in_order_whoever_else_is_asked():
    together = prompter().ask(section(), prompts())
    assert_same(together, [prompter().ask(section(), [p])[0] for p in prompts()])
    assert_same(together, prompter().ask(section(), prompts()[::-1])[::-1])
    assert_same(together, prompter(batch=2).ask(section(), prompts()))
    assert len({a.mask.tobytes() for a in together}) > 1


def test_a_section_is_encoded_once_and_not_at_all_for_no_prompt():
    asked, calls = prompter(), []
    asked.network.register_forward_hook(lambda *_: calls.append(1))
    asked.ask(section(), prompts())
    assert len(calls) == 1
    assert asked.ask(section(), []) == []
    assert len(calls) == 1
    assert isinstance(asked, Prompter)


@pytest.mark.parametrize("shape", [(1, 9), (16, 24), (37, 53), (200, 215)])
def test_any_size_of_section_is_answered(shape):
    corners = [point(y, x) for y in (0, shape[0] - 1) for x in (0, shape[1] - 1)]
    answers = prompter().ask(section(shape), [*corners, BoxPrompt(0, 0, shape[0], 0, shape[1])])
    assert all(a.mask.shape == shape and 0 <= a.predicted_iou <= 1 for a in answers)


def test_far_pixels_do_not_change_an_answer():
    long = section((16, 800))
    changed = long.copy()
    changed[:, 600:] = 0
    assert_same(prompter().ask(long, [point(8, 100)]), prompter().ask(changed, [point(8, 100)]))


def test_answers_end_where_the_window_ends():
    asked = prompter()
    with torch.no_grad():
        asked.decoder.weights[-1].weight.zero_()
        asked.decoder.weights[-1].bias.fill_(1)
        for part in (asked.decoder.to_fine, asked.decoder.fine, asked.decoder.mix_fine):
            part.weight.zero_(), part.bias.zero_()
    (answer,) = asked.ask(section((24, 500)), [point(10, 248)])
    np.testing.assert_array_equal(np.flatnonzero(answer.mask.all(0)), np.arange(152, 152 + WINDOW))


def test_an_answer_lies_where_its_window_was_cut():
    asked, placed = prompter(), place([point(17, 110)])
    encoded = asked.encode(section((40, 240)))
    with torch.inference_mode():
        logits, _ = asked.decoder(cut(encoded.maps, placed.starts), placed)
    (y, x), mask = placed.starts[0], asked.answer(encoded, [point(17, 110)])[0].mask
    np.testing.assert_array_equal(
        mask[:, max(x, 0) : x + WINDOW], logits[0].numpy()[-y : 40 - y, max(-x, 0) :][:, :230] > 0
    )


def test_prompts_are_painted_where_they_are_named():
    off = PointPrompt(0, (20.0, 25.0), (30.0, 31.0), (True, False))
    placed = place([off, BoxPrompt(0, 10, 14, 20, 30), MaskPrompt(0, disc())])
    y, x = 20 - placed.starts[0][0], 30 - placed.starts[0][1]
    hints = placed.hints.numpy()
    assert hints[0, Hint.ON_OBJECT, y, x] == 1 == hints[0, Hint.OFF_OBJECT, y + 5, x + 1]
    assert hints[0, Hint.ON_OBJECT].sum() == hints[0, Hint.OFF_OBJECT].sum() == 25
    assert hints[1, Hint.BOX].sum() == 4 * 10
    assert hints[2, Hint.MASK].sum() == disc().sum()
    assert placed.kinds.tolist() == [
        [Kind.ON_OBJECT, Kind.OFF_OBJECT],
        [Kind.BOX_START, Kind.BOX_STOP],
        [Kind.NOTHING, Kind.NOTHING],
    ]


def test_what_stands_where_nothing_stands_is_not_looked_at():
    asked, placed = prompter(), place([point(17, 20)])
    windows = cut(asked.encode(section()).maps, placed.starts)
    filled = Placed(
        placed.starts,
        torch.cat([placed.points, torch.full((1, 3, 2), 77.0)], 1),
        torch.cat([placed.kinds, torch.full((1, 3), Kind.NOTHING)], 1),
        placed.hints,
    )
    with torch.inference_mode():
        for one, other in zip(asked.decoder(windows, placed), asked.decoder(windows, filled), strict=True):
            torch.testing.assert_close(one, other)


def test_membranes_and_distances_never_see_a_prompt():
    asked = prompter()
    seen = []
    asked.network.register_forward_hook(lambda module, inputs, heads: seen.append(heads))
    for some in ([point(3, 4)], prompts()):
        asked.ask(section(), some)
    torch.testing.assert_close(seen[0].boundary, seen[1].boundary, rtol=0, atol=0)
    torch.testing.assert_close(seen[0].distance, seen[1].distance, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (point(44, 3), "must lie within the section"),
        (point(3, -1), "must lie within the section"),
        (BoxPrompt(0, 2, 45, 3, 9), "must lie within the section"),
        (BoxPrompt(0, 2, 4, -1, 9), "must lie within the section"),
        (MaskPrompt(0, np.ones((44, 59), bool)), "must have pixels and the shape"),
        (MaskPrompt(0, np.zeros(SHAPE, bool)), "must have pixels and the shape"),
        (PointPrompt(1, (3.0,), (3.0,), (True,)), "must be about one section, got z"),
    ],
)
def test_prompts_that_cannot_be_about_the_section_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        prompter().ask(section(), [point(3, 4), wrong])


def test_drawn_prompts_are_about_their_instance():
    rng, mask = np.random.default_rng(0), disc()
    for _ in range(20):
        box, rough = draw_box(mask, rng), draw_mask(mask, rng).mask
        assert abs(box.y_start - 14) <= 4
        assert abs(box.x_stop - 37) <= 4
        assert (rough & mask).sum() / (rough | mask).sum() > 0.3
        for drawn in (draw_point(mask, rng), draw_points(mask, rng)):
            places = np.array(drawn.y, int), np.array(drawn.x, int)
            np.testing.assert_array_equal(mask[places], drawn.inside)


def test_instances_are_the_connected_parts_of_a_label_that_are_large_enough():
    labels = np.zeros((8, 20), np.uint64)
    labels[:, :5], labels[:, 10:15], labels[0, 19] = 7, 7, 9
    parts, numbers = instances_of(labels, smallest=2)
    assert sorted((parts == n).sum() for n in numbers) == [40, 40]


def test_a_right_mask_costs_little_and_a_wrong_belief_costs_more():
    truth = torch.zeros(1, 8, 12)
    truth[:, 2:5, 3:9] = 1
    sure, doubtful = torch.full((1,), 8.0), torch.full((1,), -8.0)
    right, wrong = truth * 20 - 10, 10 - truth * 20
    assert prompt_loss(right, sure, truth=truth) < 0.01
    assert 0.9 < prompt_loss(right, doubtful, truth=truth) < 1.1
    assert prompt_loss(wrong, doubtful, truth=truth) > 5


def test_teacher_and_prompt_decoder_share_a_file(tmp_path):
    asked = prompter()
    save_teacher(asked.network, tmp_path / "both.safetensors", card={}, decoder=asked.decoder)
    teacher, weights = load_teacher(tmp_path / "both.safetensors")
    assert_same(teacher.prompter(asked.intensity).ask(section(), prompts()), asked.ask(section(), prompts()))
    assert sum(name.startswith("prompts.") for name in weights.tensors) == len(asked.decoder.state_dict())


def test_a_teacher_without_prompts_says_so(tmp_path):
    save_teacher(Saem2(), tmp_path / "teacher.safetensors", card={})
    teacher, _ = load_teacher(tmp_path / "teacher.safetensors")
    with pytest.raises(ValueError, match="teacher must have a prompt decoder to answer prompts"):
        teacher.prompter(IntensityMap(0.0, 255.0))


def test_half_a_prompt_decoder_is_refused(tmp_path):
    path, asked = tmp_path / "both.safetensors", prompter()
    save_teacher(asked.network, path, card={}, decoder=asked.decoder)
    weights = read_weights(path)
    kept = {name: value for name, value in weights.tensors.items() if name != "prompts.own_tokens"}
    write_weights(type(weights)(weights.architecture, kept), path)
    with pytest.raises(UnusableWeights, match=r"missing \['prompts.own_tokens'\]"):
        load_teacher(path)


def test_prompts_are_not_taught_from_nothing_or_on_a_moving_network():
    with pytest.raises(ValueError, match="at least one annotated volume"):
        train_prompts(Saem2().eval(), [], recipe=PromptRecipe(steps=1))
    with pytest.raises(ValueError, match="evaluation mode"):
        train_prompts(Saem2().train(), [squares()], recipe=PromptRecipe(steps=1))


def test_the_same_seed_gives_the_same_prompt_decoder():
    torch.manual_seed(0)
    network = Saem2().eval()
    first, again, other = (
        train_prompts(network, [squares()], recipe=PromptRecipe(steps=2, sections=1, prompts=2, seed=s))
        for s in (1, 1, 2)
    )
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
