"""A config.yml of right and wrong things: read, or refused with file, line and key, printably."""

import click
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import config
from runner.paths import decode, encode

SHIPPED = yaml.safe_load((config.SHIPPED / "config.yml").read_text(encoding="utf-8"))
KEYS = [
    (section, key) for section, keys in SHIPPED.items() if section != "exchanges" for key in keys
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary(max_size=3)
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["UTC", "data", "..", "/", "CON", "a\ud800", "1e400"]
)
VALUES = SCALARS | TEXTS | st.lists(SCALARS | TEXTS, max_size=2) | st.just({}) | st.just({"a": 1})


def read(folder, text: str | bytes) -> config.Lake | None:
    """The lake, None where the file was refused in printable sentences that name it."""
    file = folder / "config.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        return config.load(file)
    except click.ClickException as refused:
        lines = refused.message.splitlines()
        assert all(line.isprintable() for line in lines)
        assert all("config.yml" in line or "problems" in line for line in lines), refused.message
        return None


@settings(max_examples=30, deadline=None, derandomize=True)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_one_wrong_value_is_named_with_its_key_and_line(tmp_path_factory, key, value):
    folder = tmp_path_factory.getbasetemp()
    section, name = key
    text = yaml.safe_dump({section: {name: value}}, allow_unicode=True)
    lake = read(folder, text)
    assert lake is None or lake.file == folder / "config.yml"


SYMBOLS = st.text(min_size=1, max_size=60) | st.sampled_from(
    [
        "../../X",
        "C:\\X",
        "/ETC/PASSWD",
        "..",
        "CON",
        "A/B",
        "ABC.",
        "X'; DROP",
        "{{ 7*7 }}",
        "NUL.X",
    ]
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(symbol=SYMBOLS | SYMBOLS.map(str.upper))
def test_any_symbol_is_refused_or_has_a_folder_of_its_own(tmp_path_factory, symbol):
    folder = tmp_path_factory.getbasetemp()
    text = yaml.safe_dump({"exchanges": [{"name": "binance", "symbols": [symbol]}]})
    if lake := read(folder, text):
        assert lake.config.exchanges[0].symbols == (symbol,)
        name = encode(symbol)
        assert decode(name) == symbol and len(name) <= 255
        (folder / name).mkdir(exist_ok=True)
        assert (folder / name).parent == folder and (folder / name).is_dir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('collector: {write_interval_sec: !!timestamp "x"}', "collector.write_interval_sec: YAML"),
        ("testing: {enabled: !!bool x}", "testing.enabled: YAML cannot read x"),
        ('"": 1', "a key must be a plain name"),
        ('general: {base_path: "a\\ud800"}', "without control characters"),
        ("general: {base_path: config.yml/x}", "config.yml is a file, not a folder"),
        (f"general: {{base_path: {'a' * 300}}}", "general.base_path: File name too long"),
        ('exchanges: [{name: binance, rest_url: "http://\\0x"}]', "an address with a host name"),
        ('exchanges: [{name: binance, symbols: ["A\\nB"]}]', 'got "A\\nB"'),
        (f"exchanges: [{{name: binance, symbols: [{'币' * 30}]}}]", "a shorter name"),
    ],
)
def test_what_was_taken_or_stopped_with_a_trace_is_refused(tmp_path, text, said):
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(click.ClickException) as caught:
        config.load(tmp_path)
    assert said in caught.value.message and caught.value.message.isprintable()
