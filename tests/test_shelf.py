"""Models at hand, and files that only look like models: each is refused in one sentence."""

import hashlib
import json
import pickle  # noqa: TID251 (a hostile file is made with it)
import struct

import numpy as np
import pytest

from savem3.distill import build_student, save_student
from savem3.home import weights_folder
from savem3.shelf import models_at_hand, verify_file, verify_model
from savem3.shipped import MODELS, STUDENT, TEACHER, find_model, read_student
from savem3.store.declared import read_declared
from savem3.store.weights import UnusableWeights, digest, read_weights, write_weights

CARD = {"licence": "Apache-2.0", "labels": ["synthetic:1"], "raw": [], "beta": 0.5, "outputs": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A whole student."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_student(build_student("fast"), path, card=CARD)
    return path


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """An empty folder of the user."""
    monkeypatch.setenv("SAVEM3_HOME", str(tmp_path / "my home"))
    return tmp_path / "my home"


def parts_of(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, values):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def with_header(change):
    def hostile(content):
        header, values = parts_of(content)
        return joined(change(header) or header, values)

    return hostile


def with_entry(**changes):
    """The first tensor described otherwise."""

    def change(header):
        name = next(key for key in header if key != "__metadata__")
        header[name] = {**header[name], **changes}

    return with_header(change)


def with_metadata(**changes):
    return with_header(lambda header: header["__metadata__"].update(changes))


def with_card(**changes):
    return with_metadata(card=json.dumps({**CARD, **changes}))


def with_values(change):
    """Other values, with the digest that fits them."""

    def hostile(content):
        from safetensors.numpy import load, save

        header, _ = parts_of(content)
        tensors = {name: np.array(values) for name, values in load(content).items()}
        change(tensors)
        return save(tensors, metadata={**header["__metadata__"], "sha256": digest(tensors)})

    return hostile


def first_two(header):
    return sorted((key for key in header if key != "__metadata__"), key=lambda key: header[key]["data_offsets"])[:2]


def overlap(header):
    """A second tensor of the bytes of the first."""
    one, _ = first_two(header)
    header["again"] = dict(header[one])


def twice(content):
    header, values = parts_of(content)
    return joined(json.dumps(header).encode()[:-1] + b', "__metadata__": {}}', values)


def a_float(tensors):
    return next(name for name, values in sorted(tensors.items()) if values.dtype == np.float32)


def spoil(number):
    def change(tensors):
        tensors[a_float(tensors)].flat[0] = number

    return with_values(change)


def in_doubles(tensors):
    tensors[a_float(tensors)] = tensors[a_float(tensors)].astype(np.float64)


def transposed(tensors):
    name = a_float(tensors)
    tensors[name] = tensors[name].reshape(1, -1)


def renamed(tensors):
    tensors["surprise"] = tensors.pop(a_float(tensors))


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


HOSTILE = {
    "a pickle": (lambda _: pickle.dumps(Evil()), "must be a safetensors file (pickles are never read), got a pickle"),
    "a torch archive": (lambda _: b"PK\x03\x04" + bytes(64), "got a ZIP archive, as torch.save writes"),
    "gzip": (lambda content: b"\x1f\x8b" + content, "got a gzip archive"),
    "nothing": (lambda _: b"", "must be a safetensors file of 10 to 8589934592 bytes, got 0"),
    "a header of 10 GB": (
        lambda content: struct.pack("<Q", 10**10) + content[8:],
        "must have a header of at most",
    ),
    "a header beyond the file": (lambda content: content[:200], "must have a header of at most 192 bytes, got one of"),
    "a cut file": (lambda content: content[:-64], "bytes of values as its header says, got"),
    "bytes behind the values": (lambda content: content + b"more", "bytes of values as its header says, got"),
    "a header that is no JSON": (lambda _: joined(b"{no" + b" " * 9, b""), "must be intact JSON, got"),
    "a header that is no UTF-8": (lambda _: joined(b'{"\xff": 1}', b""), "must be UTF-8, got byte 255 at 2"),
    "a header without a bottom": (lambda _: joined(b'{"a":' * 200_000, b""), "must be nested at most 32 deep"),
    "a key twice": (twice, "must be intact JSON, got '__metadata__' twice"),
    "tensors that overlap": (with_header(overlap), "one behind the other, got some that overlap at byte"),
    "a gap between tensors": (
        with_header(lambda header: header.pop(first_two(header)[0]) and None),
        "one behind the other, got some with a gap between them at byte",
    ),
    "offsets that lie": (with_entry(data_offsets=[0, 4]), "data_offsets that span its"),
    "offsets backwards": (with_entry(data_offsets=[8, 4]), "two data_offsets in order, got [8, 4]"),
    "a negative shape": (with_entry(shape=[-1, -4]), "a shape of at most 16 whole numbers, got [-1, -4]"),
    "a shape of 2^80": (
        with_entry(shape=[2**40, 2**40]),
        "data_offsets that span its 9671406556917033397649408 bytes, got 8",
    ),
    "a shape of truths": (with_entry(shape=[True]), "a shape of at most 16 whole numbers, got [True]"),
    "an unknown type": (with_entry(dtype="O"), "one of the types BOOL, U8"),
    "an entry too many": (with_entry(code="print()"), "by dtype, shape and data_offsets, got {"),
    "metadata of numbers": (with_metadata(card=7), "must have metadata of texts alone"),
    "another format": (with_metadata(format="pt"), "must have format savem3-weights-1, got pt"),
    "no architecture": (with_metadata(architecture=""), "must name its architecture"),
    "an unknown architecture": (with_metadata(architecture="huge"), "must be for one of fast, superhuman"),
    "another architecture": (with_metadata(architecture="superhuman"), "must hold the values of superhuman"),
    "a digest that is none": (with_metadata(sha256="../../etc"), "must state a SHA-256 of 64 hexadecimal digits"),
    "a flipped bit": (flipped, "must match its SHA-256"),
    "a card that is no object": (with_metadata(card="[]"), "must be a JSON object, got list"),
    "a card of 2 MB": (with_metadata(card=json.dumps({"a": "b" * 2**21})), "must have a card of at most 1048576"),
    "a card 40 deep": (with_metadata(card='{"a":' * 40 + "1" + "}" * 40), "must be nested at most 32 deep"),
    "a card with NaN": (with_metadata(card='{"beta": NaN}'), "must be intact JSON, got the number NaN"),
    "beta that is text": (with_card(beta="0.5; rm"), "must have beta between 0 and 1, got '0.5; rm'"),
    "a million outputs": (with_card(outputs=10**12), "must have outputs 1 or 2, got '1000000000000'"),
    "a cutter that is a list": (with_card(cutter=["mean"]), "must name its cutter"),
    "labels that are text": (with_card(labels="all"), "must list labels, got 'all'"),
    "a voxel size backwards": (with_card(voxel_size_nm=[10, 8]), "voxel_size_nm of a card must be two lengths"),
    "NaN among the values": (spoil(np.nan), "must hold finite values, got 1 that are NaN or infinite"),
    "infinity among the values": (spoil(np.inf), "must hold finite values, got 1 that are NaN or infinite"),
    "values in doubles": (with_values(in_doubles), "as float32, got float64"),
    "another shape": (with_values(transposed), "must have the shapes of fast, got: size mismatch"),
    "another key": (with_values(renamed), "and unexpected ['surprise']"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(fault, small, tmp_path):
    change, message = HOSTILE[fault]
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(change(small.read_bytes()))
    with pytest.raises(UnusableWeights) as refused:
        verify_file(path)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 600
    assert "\n" not in str(refused.value)
    if "doubles" not in fault:  # torch takes them as floats
        with pytest.raises(UnusableWeights, match=r"hostile\.safetensors"):
            read_student(str(path))


def test_a_whole_file_is_verified_and_its_header_says_what_it_holds(small):
    assert verify_file(small).sha256 == read_weights(small).sha256
    told = read_declared(small)
    assert told.card == {**CARD}
    assert set(told.shapes) == set(read_weights(small).tensors)
    assert all(told.shapes[name] == values.shape for name, values in read_weights(small).tensors.items())


def test_everything_that_ships_is_whole():
    for name in (STUDENT, TEACHER):
        model = verify_model(name)
        assert (model.name, model.where, model.problem) == (name, "shipped", "")


def test_names_lead_to_shipped_models_then_to_the_users_folder_then_to_paths(small, own_home):
    folder = weights_folder()
    folder.mkdir(parents=True)
    for name in (STUDENT, "mine"):
        (folder / f"{name}.safetensors").write_bytes(small.read_bytes())
    assert find_model(STUDENT) == MODELS / f"{STUDENT}.safetensors"
    assert find_model("mine") == folder / "mine.safetensors"
    assert verify_model("mine").where == "home"
    assert find_model(str(small)) == small
    with pytest.raises(FileNotFoundError, match=r"or in .*my home.*: mine, savem3-fast"):
        find_model("../weights/mine")


def test_a_list_tells_licence_training_scores_and_what_is_broken(small, own_home):
    folder = weights_folder()
    folder.mkdir(parents=True)
    (folder / "broken.safetensors").write_bytes(b"PK\x03\x04" + bytes(64))
    facts = {model.name: model.facts for model in models_at_hand()}
    assert "ZIP archive" in facts["broken"]["problem"]
    assert facts[STUDENT]["licence"].startswith("Apache-2.0")
    assert facts[STUDENT]["scores"]["bundled crop"]["voi"] > 0
    assert facts[STUDENT]["sha256"] == read_student()[1].sha256
    assert "fib25_training_sample1_raw:all (raw)" in facts[STUDENT]["trained_on"]


def test_a_folder_a_device_and_a_missing_file_are_no_models(tmp_path):
    for name in (str(tmp_path), "/dev/zero", str(tmp_path / "none.safetensors"), ""):
        with pytest.raises(FileNotFoundError, match="model must be"):
            verify_model(name)


def test_a_digest_is_of_the_values_not_of_the_card(small, tmp_path):
    weights = read_weights(small)
    again = tmp_path / "again.safetensors"
    write_weights(type(weights)(weights.architecture, weights.tensors, {"licence": "other"}), again)
    assert verify_file(again).sha256 == weights.sha256
    assert hashlib.sha256(again.read_bytes()).digest() != hashlib.sha256(small.read_bytes()).digest()
