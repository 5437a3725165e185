"""Options from a file: what is meant is done, what cannot be meant is one sentence and exit code 3."""

import pytest

from savem3.cli import app, run
from savem3.cli.configuration import BadConfiguration, expectation, read_configuration, take_flag, take_value


@pytest.fixture
def predicted(monkeypatch):
    """What `savem3 predict` was asked for, instead of doing it."""
    asked = []
    monkeypatch.setattr("savem3.runs.run_predict", lambda *places, **options: asked.append((places, options)))
    return asked


@pytest.fixture
def write(tmp_path):
    """Writes a file of options."""

    def write(content):
        path = tmp_path / "options.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(predicted, write):
    file = write('[predict]\nmodel = "from the file"\nthreads = 3\nvoxel_size = "40,4,4"\noverwrite = true\n')
    assert run(["predict", "--config", file, "raw", "out", "--threads", "5"]) == 0
    ((raw, out), options) = predicted[0]
    assert (raw, str(out)) == ("raw", "out")
    assert options["model"] == "from the file"
    assert options["machine"].threads == 5
    assert options["machine"].device == "auto"
    assert options["source"].voxel_size == "40,4,4"
    assert options["overwrite"] is True
    assert run(["predict", "raw", "out"]) == 0
    assert predicted[1][1]["model"] == "savem3-fast", "a file holds for one command"
    assert predicted[1][1]["overwrite"] is False


def test_dashes_underscores_false_and_tables_of_other_commands_are_fine(predicted, write):
    file = write('[predict]\nvoxel-size = "8"\noverwrite = false\n[export.meshes]\nids = [1, 2]\n[check]\nfull = true')
    assert run([f"--config={file}", "predict", "raw", "out"]) == 0
    assert predicted[0][1]["source"].voxel_size == "8"
    assert predicted[0][1]["overwrite"] is False


def test_commands_of_groups_have_tables_within_tables(monkeypatch, write):
    asked = []
    monkeypatch.setattr("savem3.runs.export.run_meshes", lambda *_, **options: asked.append(options))
    file = write('[export.meshes]\nids = [1, 2]\nformat = "obj"\nerror_nm = 5\n')
    assert run(["export", "meshes", "run", "out", "--config", file]) == 0
    assert (asked[0]["ids"], asked[0]["form"], asked[0]["error_nm"]) == ([1, 2], "obj", 5.0)


HOSTILE = {
    "a misspelt key": (
        "[predict]\nthreds = 2",
        "[predict] of {file} must hold options of the command, got 'threds'; did",
    ),
    "a misspelt command": (
        "[predct]\nthreads = 2",
        "must hold tables of commands, got 'predct'; did you mean 'predict'?",
    ),
    "a misspelt command of a group": ("[export.mesh]\nids = [1]", "got 'mesh'; did you mean 'meshes'?"),
    "a key far from all": ("[predict]\nzzz = 2", "got 'zzz'; there are block, channel, device"),
    "a key outside of tables": (
        "threads = 2",
        "must hold tables of commands, got 'threads'; there are bank, bench, check",
    ),
    "a command that is no table": ("predict = 3", "must hold a table [predict] of options, got 3"),
    "a place": ('[predict]\nraw = "../secret"', "must hold options of the command, got 'raw'"),
    "text for a number": (
        '[predict]\nthreads = "2"',
        "'threads' in [predict] of {file} must be a whole number, got '2'",
    ),
    "a fraction for a whole number": ("[predict]\nthreads = 2.5", "must be a whole number, got 2.5"),
    "a truth for a number": ("[predict]\nthreads = true", "must be a whole number, got true"),
    "a number for a truth": (
        "[predict]\noverwrite = 1",
        "'overwrite' in [predict] of {file} must be true or false, got 1",
    ),
    "a number for text": ("[predict]\nmodel = 7", "'model' in [predict] of {file} must be text, got 7"),
    "a number for a path": ("[plan]\nteacher = 7", "'teacher' in [plan] of {file} must be text, got 7"),
    "a list for text": ('[predict]\nmodel = ["a"]', "must be text, got ['a']"),
    "a table for text": ("[predict.model]\na = 1", "must be text, got {'a': 1}"),
    "a date": ("[predict]\nmodel = 1979-05-27", "must be text, got datetime.date(1979, 5, 27)"),
    "another word": ('[predict]\ndevice = "tpu"', "must be one of auto, cpu, cuda, mps, got 'tpu'"),
    "no number": ("[reconstruct]\nadapt_seconds = nan", "'adapt-seconds' in [reconstruct] of {file} must be a number"),
    "text in a list of numbers": (
        '[export.meshes]\nids = [1, "2"]',
        "must be a list, each a whole number, got [1, '2']",
    ),
    "NUL in text": ('[predict]\nmodel = "a\\u0000b"', "must be text, got 'a\\x00b'"),
    "NUL in the file": (b"[predict]\n\x00", "must be valid TOML, got:"),
    "a key twice": ("[predict]\nthreads = 1\nthreads = 2", "must be valid TOML, got: Cannot overwrite a value"),
    "a table twice": ("[predict]\n[predict]", "must be valid TOML, got: Cannot declare"),
    "no UTF-8": (b'[predict]\nmodel = "\xff"', "must be UTF-8, got byte 255 at 19"),
    "another alphabet": ('[predict]\nmodel = "a"'.encode("utf-16"), "must be UTF-8, got byte 255 at 0"),
    "JSON": ('{"predict": 1}', "must be valid TOML, got: Invalid statement"),
    "2 MB": (b"#" * 2**21, "must have at most 1048576 bytes, got 2097152"),
    "lists without a bottom": ("[predict]\nmodel = " + "[" * 100_000, "must be a table of plain values a command"),
    "tables without a bottom": (f"[predict{'.a' * 5000}]", "must hold options of the command, got 'a'"),
    "a number of 9999 digits": (f"[predict]\nthreads = {'9' * 9999}", "{file} must be valid TOML, got:"),
    "a message in colour": ("[predict]\n'[red]x[/red]' = 1", "got '[red]x[/red]'"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_file_is_one_sentence_and_exit_code_3(fault, predicted, write, capsys):
    content, message = HOSTILE[fault]
    file = write(content)
    assert run(["predict", "raw", "out", "--config", file]) == 3
    said = capsys.readouterr().err
    assert message.replace("{file}", file) in said
    assert "Traceback" not in said
    assert said.count("\n") == 1
    assert len(said) < 800
    assert predicted == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config"], "--config must be followed by a file, got nothing"),
        (["--config", "a.toml", "--config=b.toml"], "--config must be given once, got it twice"),
        (["--config", "no/such.toml"], "--config must be a TOML file, got 'no/such.toml'"),
        (["--config", "/dev/zero"], "--config must be a TOML file, got '/dev/zero'"),
        (["--config", "."], "--config must be a TOML file, got '.'"),
        (["--config", "a\0b"], "--config must be a TOML file"),
    ],
)
def test_a_file_that_is_none_is_one_sentence_and_exit_code_3(arguments, message, predicted, capsys):
    assert run(["predict", "raw", "out", *arguments]) == 3
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "raw", "out", "--thread", "2"], "Unknown option: --thread. Did you mean --threads?"),
        (["predct", "raw", "out"], 'Unknown command "predct". Did you mean "predict"?'),
        (["weights", "lst"], 'Unknown command "lst". Did you mean "list"?'),
        (["predict", "raw"], "--out"),
        (
            ["predict", "raw", "out", "--threads", "two"],
            'Invalid value for --threads: unable to convert "two" into int.',
        ),
        (["predict", "raw", "out", "--device", "tpu"], 'Invalid value "tpu" for --device'),
    ],
)
def test_what_is_misspelt_on_the_command_line_is_one_sentence_that_names_the_closest(arguments, message, capsys):
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_offline_refuses_urls_of_every_command_and_leaves_the_rest(monkeypatch, predicted, capsys):
    for name in ("SAVEM3_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "")
    assert run(["predict", "https://host/a.zarr", "out"]) == 0
    assert run(["predict", "https://host/a.zarr", "out", "--offline"]) == 2
    assert run(["export", "precomputed", "run", "out", "--raw=zarr://s3://bucket/a"]) == 2, "the switch stays on"
    assert capsys.readouterr().err.count("path must lie on this machine with --offline or SAVEM3_OFFLINE, got") == 2
    assert run(["--offline", "predict", "raw", "out"]) == 0
    assert len(predicted) == 2


def test_every_option_of_every_command_can_stand_in_a_file_and_says_what_it_must_be():
    known = {"true or false", "a whole number", "a number", "text", "a list, each text", "a list, each a whole number"}

    def leaves(of):
        for name in [name for name in of if not name.startswith("-")]:
            yield from leaves(of[name]) if [n for n in of[name] if not n.startswith("-")] else [of[name]]

    from savem3.cli.configuration import _options_of

    commands = list(leaves(app))
    assert len(commands) > 15
    for command in commands:
        for name, hint in _options_of(command).items():
            words = expectation(hint)
            assert words in known or "one of" in words or " or " in words or "each a list" in words, (name, words)


def test_words_behind_two_dashes_are_left_alone():
    assert take_value(["a", "--", "--config", "b"], "--config") == (["a", "--", "--config", "b"], None)
    assert take_flag(["--offline", "--", "--offline"], "--offline") == (["--", "--offline"], True)
    assert take_value(["--config=x=y.toml"], "--config") == ([], "x=y.toml")


def test_a_file_is_read_as_it_is_written(write):
    assert read_configuration(write("[predict]\nthreads = 2\n"), app) == {"predict": {"threads": 2}}
    with pytest.raises(BadConfiguration, match="must hold tables of commands"):
        read_configuration(write("[help]\n"), app)
