"""The prompt decoder: it follows prompts, answers each on its own, and leaves membranes alone."""

import numpy as np
import pytest
import torch

from savem3.prompt import BoxPrompt, MaskPrompt, PointPrompt, Proposer
from savem3.saem2 import PromptDecoder, Saem2, Saem2Prompter, load_teacher, save_teacher
from savem3.saem2.prompter import place, stability_of
from savem3.saem2.prompts import WINDOW, Hint, Kind, Placed, cut
from savem3.store.weights import UnusableWeights, read_weights, write_weights
from savem3.volume import IntensityMap

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


def assert_same(answers, others):
    for a, b in zip(answers, others, strict=True):
        np.testing.assert_array_equal(a.mask, b.mask)
        assert a.predicted_iou == pytest.approx(b.predicted_iou, abs=1e-5)


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
    assert isinstance(asked, Proposer)


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


def test_each_window_is_cut_from_the_section_that_was_asked_about():
    asked, placed = prompter(), place([point(17, 20)] * 2)
    both = torch.from_numpy(np.stack([section(), 255 - section()])[:, :40, :56].astype(np.float32) / 255)
    with torch.inference_mode():
        maps = asked.decoder.read(asked.network(both))
        one, other = (asked.decoder.read(asked.network(both[i : i + 1])) for i in range(2))
    windows = cut(maps, placed.starts, sections=np.array([1, 0]))
    alone = [cut(m, placed.starts[:1]) for m in (other, one)]
    for window, first, second in zip(windows, *alone, strict=True):
        torch.testing.assert_close(window, torch.cat([first, second]))
        assert not torch.equal(first, second)


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


def test_each_prompt_has_one_proposal_and_that_is_its_answer():
    asked = prompter()
    encoded = asked.encode(section())
    assert_same([proposal for (proposal,) in asked.propose(encoded, prompts())], asked.answer(encoded, prompts()))


def test_a_mask_is_stable_where_its_edge_is_sharp():
    y = torch.arange(8.0)[:, None].expand(8, 6)
    steep, flat, nothing = (3.5 - y) * 9, (3.5 - y) / 1.5, torch.full((8, 6), -9.0)
    # flat: rows 0 and 1 lie above a logit of 1, rows 0 to 4 above −1
    assert stability_of(torch.stack([steep, flat, nothing])).tolist() == pytest.approx([1, 2 / 5, 1])


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
