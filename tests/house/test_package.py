"""What `fastplm.<name>` gives, and what it does not."""

import pytest

import fastplm


@pytest.mark.parametrize("name", ["_BertTokenizer", "_Tokenizer", "_Model", "no_such_thing"])
def test_names_that_are_none(name):
    with pytest.raises(AttributeError, match=name):
        getattr(fastplm, name)
