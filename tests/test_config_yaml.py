"""A config.yml that is hardly YAML: one sentence with the line, never a stack trace."""

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner import config, yaml_lines


@pytest.fixture
def problem_of(tmp_path, monkeypatch):
    """What load() says about a file of given bytes."""
    monkeypatch.chdir(tmp_path)

    def problem(content):
        (tmp_path / "config.yml").write_bytes(content)
        with pytest.raises(click.ClickException) as caught:
            config.load()
        return caught.value.message

    return problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"general:\n\tbase_path: x\n", "config.yml:2: not valid YAML: a tab stands in the inden"),
        (b"general: {\n", "config.yml:2: not valid YAML: "),
        (b"general: base_path: x\n", "config.yml:1: not valid YAML: mapping values are not all"),
        (b'general:\n  base_path: "D:\\lake"\n', "config.yml:2: not valid YAML: found unknown esc"),
        (b"general:\n  base_path: a\0b\n", "config.yml:2: not valid YAML: the character '\\x00'"),
        (b"general: *other\n", "config.yml:1: not valid YAML: found undefined alias 'other'"),
        (b"general: {}\n---\ngeneral: {}\n", "config.yml:2: not valid YAML: --- begins a second"),
        (b"[" * 100_000, "config.yml: nested too deeply"),
        (b"# \xfcber\n", "config.yml:1: not UTF-8 (byte 0xfc): save it as UTF-8"),
        ("general:\n".encode("utf-16"), "config.yml:1: not UTF-8 (byte 0xff): save it as UTF-8"),
        (b"- general\n", "config.yml: expected sections such as general:, got a list"),
        (b"general\n", 'config.yml: expected sections such as general:, got "general"'),
        (b"&all [*all]\n", "config.yml: expected sections such as general:, got a list"),
        (b"general: &all\n  base_path: *all\n", "general.base_path: *name in place of a list or s"),
        (
            b"general:\n  log_level: !!python/name:os.system\n",
            "config.yml:2: general.log_level: YAML",
        ),
        (
            b"general:\n  base_path: 2025-13-45\n",
            "base_path: YAML cannot read 2025-13-45: quote it",
        ),
        (b"? [a, b]\n: 1\n", "config.yml:1: a key must be a plain name"),
        (b"<<: {general: {}}\n", "config.yml:1: <<: unknown key"),
        (b"compact: {}\n\ncompact: {}\n", "config.yml:3: compact: given twice, first in line 1"),
        (
            b"collector:\n  reconnect_backoff: 1\n  reconnect_backoff: 2\n",
            "config.yml:3: collector.reconnect_backoff: given twice, first in line 2",
        ),
    ],
)
def test_what_is_not_good_yaml_is_one_sentence_with_its_line(problem_of, content, said):
    message = problem_of(content)
    assert message.startswith(said) or said in message
    assert "\n" not in message and "Traceback" not in message


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(tmp_path):
    (tmp_path / "config.yml").write_bytes(b"\xef\xbb\xbfcollector:\r\n  write_interval_sec: 5\r\n")
    assert config.load(tmp_path).config.collector.write_interval_sec == 5


def test_a_folder_named_config_yml_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yml").mkdir()
    with pytest.raises(click.ClickException, match="is a folder, not a file"):
        config.load()


def test_a_problem_below_a_list_has_the_line_of_its_item(problem_of):
    message = problem_of(
        b"exchanges:\n  - name: binance\n    symbols:\n      - SOLUSDT\n      - 7\n"
    )
    assert message.startswith("config.yml:5: exchanges[0].symbols[1]: ")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
NAMES = st.sampled_from(["general", "exchanges", "collector", "symbols", "name"]) | st.text()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12
)


@given(tree=TREES)
def test_any_tree_is_read_or_refused_in_sentences(tmp_path_factory, tree):
    folder = tmp_path_factory.getbasetemp()
    (folder / "config.yml").write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    try:
        assert config.load(folder).config.general.timezone == "UTC"
    except click.ClickException as refused:
        assert refused.message


@given(content=st.binary(max_size=200) | st.text("-:[]{}&*!|>'\"\n\t ab#%@`~0", max_size=60))
def test_any_bytes_are_read_or_refused_in_one_sentence(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "config.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        yaml_lines.read(file)
    except click.ClickException as refused:
        assert "\n" not in refused.message
