"""Models that travel in one archive, and archives that want to write where they must not."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from savem3.distill import build_student, save_student
from savem3.home import weights_folder
from savem3.parcel import MANIFEST, pack, unpack
from savem3.shipped import MODELS, STUDENT, find_model, read_student
from savem3.store.weights import UnusableWeights, read_weights

CARD = {"licence": "Apache-2.0", "labels": [], "raw": ["a:all"], "outputs": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A whole student."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_student(build_student("fast"), path, card=CARD)
    return path


@pytest.fixture(scope="module")
def parcel(small, tmp_path_factory):
    """An archive of it."""
    path = tmp_path_factory.mktemp("parcel") / "models.tar"
    pack([str(small)], path)
    return path


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """An empty folder of the user."""
    monkeypatch.setenv("SAVEM3_HOME", str(tmp_path / "my home"))
    return tmp_path / "my home"


def everything_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_packed_is_found_by_name_where_it_is_unpacked(small, parcel, own_home):
    assert unpack(parcel) == [weights_folder() / "small.safetensors"]
    assert find_model("small").read_bytes() == small.read_bytes()
    assert read_student("small")[1].sha256 == read_weights(small).sha256
    assert unpack(parcel) == [weights_folder() / "small.safetensors"], "the same again changes nothing"
    assert set(everything_in(own_home)) == {"weights/small.safetensors"}


def test_packing_twice_gives_the_same_bytes_and_never_replaces_unasked(small, parcel, tmp_path):
    again = tmp_path / "again.tar"
    pack([str(small)], again)
    assert again.read_bytes() == parcel.read_bytes()
    with pytest.raises(FileExistsError, match="output must not exist yet"):
        pack([str(small)], again)
    with pytest.raises(ValueError, match="files with different names"):
        pack([str(small), str(small)], tmp_path / "twice.tar")
    with pytest.raises(ValueError, match="names must be 1 to 64 models"):
        pack([], tmp_path / "none.tar")


def test_the_manifest_holds_cards_and_digests(parcel, small):
    with tarfile.open(parcel) as archive:
        manifest = json.loads(archive.extractfile(MANIFEST).read())
    (entry,) = manifest["models"]
    assert entry["card"] == CARD
    assert entry["licence"] == "Apache-2.0"
    assert entry["sha256"] == read_weights(small).sha256
    assert entry["path"] == "small.safetensors"


def test_another_model_of_the_same_name_stays_unless_it_may_be_replaced(parcel, own_home, small):
    other = weights_folder() / "small.safetensors"
    save_student(build_student("superhuman"), other, card=CARD)
    before = other.read_bytes()
    with pytest.raises(FileExistsError, match="output must not exist yet"):
        unpack(parcel)
    assert other.read_bytes() == before
    unpack(parcel, overwrite=True)
    assert other.read_bytes() == small.read_bytes()


def members_of(parcel):
    with tarfile.open(parcel) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]


def archive_of(members, *, mode="w:", format=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=format) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def extra(name, content=b"x", **kind):
    """The archive with one member more."""

    def hostile(members):
        member = tarfile.TarInfo(name)
        member.size = len(content) if "type" not in kind else 0
        for key, value in kind.items():
            setattr(member, key, value)
        return archive_of([*members, (member, content)])

    return hostile


def with_manifest(change):
    def hostile(members):
        changed = []
        for member, content in members:
            if member.name == MANIFEST:
                manifest = json.loads(content)
                content = change(manifest)
                content = content if isinstance(content, bytes) else json.dumps(manifest).encode()
                member.size = len(content)
            changed.append((member, content))
        return archive_of(changed)

    return hostile


def with_model(change):
    """The archive with another model inside, and a manifest that agrees to its size alone."""

    def hostile(members):
        (manifest, listed), (model, content) = members
        content = change(content)
        plain = json.loads(listed)
        plain["models"][0]["bytes"] = model.size = len(content)
        listed = json.dumps(plain).encode()
        manifest.size = len(listed)
        return archive_of([(manifest, listed), (model, content)])

    return hostile


def with_raw_header(members, **kind):
    """The archive, and a header of 512 bytes without its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
        end = archive.offset
    member = tarfile.TarInfo("more.safetensors")
    for key, value in kind.items():
        setattr(member, key, value)
    return buffer.getvalue()[:end] + member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def huge(members):
    return with_raw_header(members, size=2**33)


def sparse(members):
    return with_raw_header(members, type=tarfile.GNUTYPE_SPARSE)


def many(members):
    return archive_of([*members, *((tarfile.TarInfo(f"m{i}.safetensors"), b"") for i in range(100))])


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member.name, content)
    return buffer.getvalue()


def shipped(members):
    (manifest, listed), (model, content) = members
    model.name = f"{STUDENT}.safetensors"
    listed = listed.replace(b"small.safetensors", f"{STUDENT}.safetensors".encode())
    manifest.size = len(listed)
    return archive_of([(manifest, listed), (model, content)])


HOSTILE = {
    "a way up": (extra("../evil.safetensors"), "must hold manifest.json and NAME.safetensors alone, got '../evil"),
    "a way up within": (extra("a/../../evil.safetensors"), "NAME.safetensors alone, got 'a/../../evil"),
    "an absolute path": (extra("/evil.safetensors"), "NAME.safetensors alone, got '/evil"),
    "a path of Windows": (extra("C:\\evil.safetensors"), "NAME.safetensors alone, got 'C:\\evil"),
    "a folder": (extra("a", type=tarfile.DIRTYPE), "must hold regular files alone, got a folder 'a'"),
    "a symbolic link": (
        extra("link.safetensors", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "must hold regular files alone, got a symbolic link",
    ),
    "a hard link": (
        extra("link.safetensors", type=tarfile.LNKTYPE, linkname="small.safetensors"),
        "must hold regular files alone, got a hard link",
    ),
    "a device": (extra("zero.safetensors", type=tarfile.CHRTYPE), "must hold regular files alone, got a device"),
    "a pipe": (extra("pipe.safetensors", type=tarfile.FIFOTYPE), "must hold regular files alone, got a device"),
    "a sparse file": (sparse, "must hold regular files alone, got a sparse file"),
    "a sparse file of another kind": (
        extra("sparse.safetensors", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**40)}),
        "must hold regular files alone, got a sparse file",
    ),
    "a program": (extra("setup.py"), "NAME.safetensors alone, got 'setup.py'"),
    "a hidden file": (extra(".bashrc.safetensors"), "NAME.safetensors alone, got '.bashrc.safetensors'"),
    "a line in a name": (extra("a\nb.safetensors"), "NAME.safetensors alone, got 'a"),
    "a file twice": (extra("small.safetensors"), "must hold each file once, got 'small.safetensors' twice"),
    "a file that is not listed": (extra("more.safetensors"), "must list exactly the models beside it"),
    "8 GiB declared": (huge, "must hold at most 4294967296 bytes, got"),
    "a hundred files": (many, "must hold at most 64 models, got more"),
    "a gzip bomb": (lambda _: gzip.compress(bytes(2**22)), "must be a plain tar archive, not compressed"),
    "a compressed archive": (lambda members: gzip.compress(archive_of(members)), "must be a plain tar archive"),
    "a zip archive": (zipped, "must be a plain tar archive, not compressed"),
    "no archive": (lambda _: b"hello" * 300, "must be a plain tar archive, not compressed"),
    "an empty archive": (lambda _: archive_of([]), "must hold a manifest.json of at most 1048576 bytes, got none"),
    "a cut archive": (lambda members: archive_of(members)[:40_000], "must be a plain tar archive"),
    "a manifest of 2 MiB": (with_manifest(lambda _: b" " * 2**21), "at most 1048576 bytes, got one of 2097152"),
    "a manifest without a bottom": (with_manifest(lambda _: b'{"a":' * 50_000), "must be nested at most 32 deep"),
    "a manifest of another format": (with_manifest(lambda m: m.update(format="2") or None), "must have format"),
    "a manifest that lists too much": (
        with_manifest(lambda m: m["models"].append(dict(m["models"][0], path="../up.safetensors")) or None),
        "must list exactly the models beside it, each once, got ../up.safetensors",
    ),
    "a manifest with another size": (
        with_manifest(lambda m: m["models"][0].update(bytes=5) or None),
        "must hold 5 bytes of small.safetensors",
    ),
    "a manifest with another digest": (
        with_manifest(lambda m: m["models"][0].update(file_sha256="0" * 64) or None),
        "must hold small.safetensors with SHA-256 0000",
    ),
    "a pickle under a model's name": (with_model(lambda _: b"\x80\x04N."), "must hold small.safetensors with SHA-256"),
    "a model called like a shipped one": (shipped, "must not be called like a shipped one, got 'savem3-fast'"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_sentence_and_leaves_nothing(fault, parcel, own_home, tmp_path):
    make, message = HOSTILE[fault]
    hostile = tmp_path / "hostile.tar"
    hostile.write_bytes(make(members_of(parcel)))
    with pytest.raises(UnusableWeights) as refused:
        unpack(hostile)
    assert message in str(refused.value)
    assert set(everything_in(tmp_path)) == {"hostile.tar"}


def test_a_model_that_only_looks_whole_leaves_nothing(parcel, own_home, tmp_path):
    import hashlib

    evil = b"\x80\x04N." * 8
    hostile = tmp_path / "hostile.tar"
    members = members_of(parcel)
    listed = json.loads(members[0][1])
    listed["models"][0].update(bytes=len(evil), file_sha256=hashlib.sha256(evil).hexdigest())
    content = json.dumps(listed).encode()
    members[0][0].size, members[1][0].size = len(content), len(evil)
    hostile.write_bytes(archive_of([(members[0][0], content), (members[1][0], evil)]))
    with pytest.raises(UnusableWeights, match=r"small\.safetensors in .*pickles are never read"):
        unpack(hostile)
    assert set(everything_in(tmp_path)) == {"hostile.tar"}


def test_a_link_in_the_users_folder_is_not_followed(parcel, own_home, tmp_path):
    weights_folder().mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (weights_folder() / "small.safetensors").symlink_to(precious)
    with pytest.raises(FileExistsError, match="output must not exist yet"):
        unpack(parcel, overwrite=True)
    assert precious.read_bytes() == b"mine"


def test_shipped_models_pack(tmp_path):
    (packed,) = pack([STUDENT], tmp_path / "shipped.tar")
    assert packed.size == (MODELS / f"{STUDENT}.safetensors").stat().st_size
