"""What the strict JSON reader refuses."""

import pytest

from fastplm.errors import CheckpointError
from fastplm.jsonfile import MAX_DEPTH, parse_json, read_json


def test_what_is_no_file(tmp_path):
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_json(tmp_path)


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\uD800"', r'{"\udfff": 1}', r'["\uD83D", "\uDE00"]'])
def test_lone_surrogates(text):
    with pytest.raises(CheckpointError, match="lone surrogate"):
        parse_json(text.encode(), "a.json")


@pytest.mark.parametrize("text", [r'"\uD83D\uDE00"', r'"\ud83d\ude00"', r'"\\ud800"'])
def test_surrogates_that_are_none(text):
    assert parse_json(text.encode(), "a.json") in ("\U0001f600", r"\ud800")


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('{"[":', "}")])
def test_depth(begin, end):
    levels = MAX_DEPTH // (begin.count("[") - ('"["' in begin) + begin.count("{"))
    parse_json((begin * levels + "1" + end * levels).encode(), "a.json")
    deeper = 4 * levels  # the limit is not exact
    with pytest.raises(CheckpointError, match=r"a\.json: nested too deeply"):
        parse_json((begin * deeper + "1" + end * deeper).encode(), "a.json")
    strings = ", ".join(['"[{"'] * 2 * deeper)
    assert len(parse_json(f"[{strings}]".encode(), "a.json")) == 2 * deeper
