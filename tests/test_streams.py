"""Keys are pure functions of seed, stream and texts, whatever the texts are stored in."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from backorder_forecast.streams import keys, text_hashes
from backorder_forecast.tables import text


def plain_hash(word):
    """FNV-1a and the finaliser of SplitMix64, in whole numbers of Python."""
    h = 0xCBF29CE484222325
    for byte in word.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) % 2**64
    return h ^ (h >> 31)


def test_hashes_are_those_of_the_plain_reference():
    words = ["", "a", "007", "Größe 12", "line 10", "x" * 300]
    assert text_hashes(words).tolist() == [plain_hash(x) for x in words]


def test_how_texts_are_stored_does_not_matter():
    words = ["b", "a", "", "b"]
    expected = text_hashes(words).tolist()
    chunks = pa.chunked_array([["b"], ["a", ""], ["b"]], pa.large_string())
    stored = (pd.Series(words, dtype=object), text(words), np.array(words, object), pd.Series(words, dtype="category"))
    for same in (*stored, chunks, pd.Series(["x", *words], dtype=object)[1:]):
        assert text_hashes(same).tolist() == expected
    sliced = pa.array(["z", *words, "z"], pa.large_string()).slice(1, 4)
    assert text_hashes(sliced).tolist() == expected
    assert text_hashes([None, "a"])[0] == text_hashes([""])[0]  # missing ones like the empty text


def test_no_texts_at_all():
    for nothing in ([], pd.Series([], dtype=object), text([]), pa.chunked_array([], pa.large_string())):
        assert text_hashes(nothing).shape == (0,)
    assert keys(1, "x", []).shape == (0,)


def test_seed_stream_and_every_column_count():
    a, b = ["i1", "i1", "i2"], ["n", "s", "n"]
    base = keys(1, "demand", a, b)
    assert len(set(base.tolist())) == 3
    for other in (keys(2, "demand", a, b), keys(1, "patience", a, b), keys(1, "demand", b, a), keys(1, "demand", a)):
        assert not (other == base).any()
    # ids of one column do not run into those of the next
    assert keys(1, "demand", ["ab"], ["c"])[0] != keys(1, "demand", ["a"], ["bc"])[0]
    with pytest.raises(ValueError, match="at least one"):
        keys(1, "demand")


def test_neither_order_nor_company_changes_a_key():
    words = [f"item {i}" for i in range(2000)]
    base = dict(zip(words, keys(7, "demand", words).tolist(), strict=True))
    turned = words[::-1][:500]
    assert keys(7, "demand", turned).tolist() == [base[x] for x in turned]
    assert len(set(base.values())) == 2000
