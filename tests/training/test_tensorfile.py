import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.tensorfile import DTYPES, DamagedError, file_of_arrays, read_arrays, write_arrays

ARRAYS = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "steps": np.array(7, np.int64),
    "images": np.full((2, 3, 4), 9, np.uint8),
    "none": np.zeros((0, 5), np.float64),
}


def same(first, second):
    assert list(first) == list(second)
    for name, array in first.items():
        assert second[name].dtype == array.dtype
        assert second[name].shape == array.shape
        assert second[name].tobytes() == array.tobytes()


def test_what_is_written_is_read_back():
    arrays, facts = read_arrays(file_of_arrays(ARRAYS, {"of": "a test"}))
    same(ARRAYS, arrays)
    assert facts == {"of": "a test"}


def test_the_file_is_one_of_safetensors():
    """By hand, from the format's description."""
    data = file_of_arrays({"a": np.array([1.5, -2], np.float32)}, {"k": "v"})
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "__metadata__": {"k": "v"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    assert data[8 + length :] == b"\x00\x00\xc0\x3f\x00\x00\x00\xc0"


def test_hash_and_size_are_those_of_the_file():
    import hashlib

    file = io.BytesIO()
    written = write_arrays(file, ARRAYS, {})
    assert written.sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    assert written.size_bytes == len(file.getvalue())


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        st.sampled_from(list(DTYPES.values())).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
        ),
        max_size=4,
    )
)
def test_any_arrays_come_back(arrays):
    same(arrays, read_arrays(file_of_arrays(arrays, {}))[0])


def test_arrays_that_are_not_contiguous_are_written_right():
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(read_arrays(file_of_arrays({"t": turned}, {}))[0]["t"], turned)


@pytest.mark.parametrize("dtype", [object, np.float16, "U3"])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match="are not kept"):
        file_of_arrays({"a": np.zeros(2, dtype)}, {})


def test_every_cut_is_damage():
    data = file_of_arrays(ARRAYS, {})
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            read_arrays(data[:length])


@given(st.binary(max_size=64))
def test_noise_is_damage_and_nothing_worse(data):
    with pytest.raises(DamagedError):
        read_arrays(data)


def test_a_place_outside_the_file_is_damage():
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}
    header = json.dumps({"a": entry}).encode()
    with pytest.raises(DamagedError):
        read_arrays(len(header).to_bytes(8, "little") + header + bytes(8))
