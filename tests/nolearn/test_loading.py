"""Parameters in files: what is written, what is read, and what is not run."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest

from convnet_features.exceptions import ConvNetFeaturesWarning, FileFormatError
from convnet_features.files.layer_values import read_values, write_values


@pytest.fixture
def fitted(make_net, digits):
    return make_net().fit(*digits)


def same_parameters(one, other):
    values, others = one.get_all_params_values(), other.get_all_params_values()
    assert list(values) == list(others)
    return all(
        np.array_equal(a, b)
        for name in values
        for a, b in zip(values[name], others[name], strict=True)
    )


class TestTakingOver:
    def test_values_by_layer_are_copies(self, fitted):
        values = fitted.get_all_params_values()
        assert list(values) == ["input", "hidden", "output"]
        assert [array.shape for array in values["hidden"]] == [(64, 16), (16,)]
        values["hidden"][0][...] = 0
        assert fitted.layers_["hidden"].W.get_value().any()

    def test_from_a_net_from_values_and_from_a_list(self, make_net, fitted):
        listed = [param.get_value() for param in fitted.get_all_params()]
        for source in (fitted, fitted.get_all_params_values(), listed):
            other = make_net()
            other.load_params_from(source)
            assert same_parameters(other, fitted)

    def test_tags_choose_parameters(self, fitted):
        assert len(fitted.get_all_params()) == 4
        assert len(fitted.get_all_params(regularizable=True)) == 2

    def test_what_has_no_place_is_a_warning(self, make_net, fitted, digits):
        other = make_net(output_num_units=3)
        with pytest.warns(
            ConvNetFeaturesWarning,
            match=r"not loaded: layer 'output', whose shape is 16x3, not 16x10; layer 'output', "
            r"whose shape is 3, not 10\.",
        ):
            other.load_params_from(fitted)
        np.testing.assert_array_equal(
            other.get_output("hidden", digits[0]), fitted.get_output("hidden", digits[0])
        )

    def test_layers_and_arrays_that_are_not_there(self, make_net):
        net, array = make_net(), np.zeros(3, dtype=np.float32)
        with pytest.warns(
            ConvNetFeaturesWarning, match="1 arrays of layer 'conv1', as there is no"
        ):
            net.load_params_from({"conv1": [array]})
        with pytest.warns(ConvNetFeaturesWarning, match="1 arrays of layer 'input', as it has 0"):
            net.load_params_from({"input": [array]})

    def test_a_list_of_another_length(self, make_net):
        with pytest.raises(ValueError, match="1 arrays came, and the network has 4 parameters"):
            make_net().load_params_from([np.zeros(3)])

    def test_it_says_what_it_loads(self, make_net, fitted, capsys):
        make_net(verbose=1).load_params_from(fitted)
        assert "Loaded parameters to layer 'hidden' (shape 64x16)." in capsys.readouterr().out

    @pytest.mark.parametrize("bad", [np.full(10, 1e300), np.ones(10, complex), np.full(10, np.nan)])
    def test_all_or_nothing(self, bad, fitted, tmp_path):
        values = fitted.get_all_params_values()
        before = [param.get_value() for param in fitted.get_all_params()]
        changed = {name: [each + 1 for each in held] for name, held in values.items()}
        changed["output"][1] = bad
        with pytest.raises(ValueError, match=r"^a parameter of layer 'output' "):
            fitted.load_params_from(changed)
        if bad.dtype.kind == "f":
            write_values(tmp_path / "a", changed)
            with pytest.raises(FileFormatError, match="a: a parameter of layer 'output' holds NaN"):
                fitted.load_weights_from(tmp_path / "a")
        for param, value in zip(fitted.get_all_params(), before, strict=True):
            np.testing.assert_array_equal(param.get_value(), value)


class TestOurFiles:
    def test_no_flipped_bit_goes_unnoticed(self, tmp_path):
        """An archive has checksums of its own: an error, or the very same values."""
        values = {"dense": [np.arange(6, dtype=np.float32).reshape(2, 3)]}
        write_values(tmp_path / "a", values)
        content, noticed = (tmp_path / "a").read_bytes(), 0
        for bit in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            (tmp_path / "a").write_bytes(flipped)
            try:
                found = read_values(tmp_path / "a", values)
            except FileFormatError:
                noticed += 1
                continue
            assert found.keys() == values.keys(), (bit // 8, found)
            np.testing.assert_array_equal(found["dense"], values["dense"])
        assert noticed > 0.5 * 8 * len(content)

    @pytest.mark.parametrize("name", ["net.params", "net.npz", "net"])
    def test_written_and_read(self, make_net, fitted, tmp_path, name):
        path = tmp_path / name
        fitted.save_params_to(path)
        assert [each.name for each in tmp_path.iterdir()] == [name]
        other = make_net()
        other.load_params_from(str(path))
        assert same_parameters(other, fitted)

    def test_numpy_reads_them(self, fitted, tmp_path):
        fitted.save_params_to(tmp_path / "net.npz")
        with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
            assert sorted(file) == ["hidden/0", "hidden/1", "output/0", "output/1"]

    def test_the_names_of_nolearn_0_5(self, make_net, fitted, tmp_path):
        fitted.save_weights_to(tmp_path / "net.npz")
        other = make_net()
        other.load_weights_from(tmp_path / "net.npz")
        assert same_parameters(other, fitted)

    def test_objects_are_not_read(self, make_net, tmp_path):
        path = tmp_path / "objects.npz"
        np.savez(path, **{"hidden/0": np.array([Bomb(tmp_path / "x")], dtype=object)})
        with pytest.raises(FileFormatError, match="an array of object"):
            make_net().load_params_from(path)
        assert not (tmp_path / "x").exists()

    def test_far_too_much_is_not_read(self, make_net, tmp_path):
        path = tmp_path / "much.npz"
        np.savez_compressed(path, **{"hidden/0": np.zeros(10_000_000, dtype=np.float32)})
        with pytest.raises(FileFormatError, match="it holds more"):
            make_net().load_params_from(path)

    def test_a_header_that_lies(self, make_net, tmp_path):
        path = tmp_path / "lies.npz"
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,), }"
        header += b" " * (118 - len(header) - 1) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hidden/0.npy", b"\x93NUMPY\x01\x00" + b"\x76\x00" + header)
        with pytest.raises(
            FileFormatError, match=r"float32 and shape \(1000000000,\) in 128 bytes"
        ):
            make_net().load_params_from(path)

    @pytest.mark.parametrize(
        "header", [b"{'descr': (", b'{\'shape\': """', b"if x:\n    y\n  z", b"\\", b"[" * 100]
    )
    def test_a_header_that_is_no_python(self, make_net, tmp_path, header):
        """NumPy's reader answers some of them by errors of the tokenizer."""
        path = tmp_path / "broken.npz"
        header += b" " * (118 - len(header) - 1) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hidden/0.npy", b"\x93NUMPY\x01\x00" + b"\x76\x00" + header)
        with pytest.raises(FileFormatError, match="not parameters of a network, or damaged"):
            make_net().load_params_from(path)

    @pytest.mark.parametrize(
        "content", [b"", b"PK", b"PK\x03\x04 and no more", b"\x93NUMPY", b"\0"]
    )
    def test_nothing_of_the_kind(self, make_net, tmp_path, content):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="not parameters of a network, or damaged"):
            make_net().load_params_from(path)

    def test_damage_is_noticed(self, make_net, fitted, tmp_path, rng):
        path = tmp_path / "net.npz"
        fitted.save_params_to(path)
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        net = make_net()
        net.initialize()
        for _ in range(300):
            damaged = content.copy()
            damaged[rng.integers(len(content), size=3)] = rng.integers(256, size=3)
            path.write_bytes(damaged[: rng.integers(1, len(content) + 1)].tobytes())
            try_to_load(net, path)

    def test_no_file(self, make_net, tmp_path):
        with pytest.raises(FileNotFoundError):
            make_net().load_params_from(tmp_path / "nowhere")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Python2Dict:
    """Pickles as Python 2 pickled an OrderedDict: a call with a list of lists."""

    def __init__(self, values):
        self.values = values

    def __reduce__(self):
        return OrderedDict, ([[name, list(arrays)] for name, arrays in self.values.items()],)


def try_to_load(net, path):
    """Load, which may say that nothing can be loaded, or warn, and may not do anything else."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvNetFeaturesWarning)
        with suppress(FileFormatError):
            net.load_params_from(path)


def in_memo(place, program):
    return program + b"q" + bytes([place])


def array_in_memo(data):
    """Instructions that put the parts of an array into the memo: RECALLED makes one of them."""
    dtype = (
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    shape = b"J" + struct.pack("<i", len(data) // 4) + b"\x85"
    text = b"X" + struct.pack("<I", len(data)) + data
    return (
        in_memo(1, b"cnumpy.core.multiarray\n_reconstruct\n")
        + in_memo(2, b"cnumpy\nndarray\nK\x00\x85U\x01b\x87")
        + in_memo(3, b"(K\x01" + shape + dtype + b"\x89" + text + b"t")
    )


RECALLED = b"h\x01h\x02Rh\x03b"


def name(number):
    return b"U\x02" + struct.pack("<H", number)


#: Small pickles that say much: what they begin with, and the entries of their dictionary.
REFERENCES = {
    "one long text in a thousand arrays": (
        array_in_memo(b"x" * 200_000),
        b"".join(name(i) + b"]" + RECALLED + b"a" for i in range(500)),
    ),
    "one list of arrays under a thousand names": (
        array_in_memo(b"") + in_memo(4, RECALLED) + in_memo(5, b"(" + b"h\x04" * 900 + b"l"),
        b"".join(name(i) + b"h\x05" for i in range(1000)),
    ),
    "one list of pairs in hundreds of dictionaries": (
        in_memo(5, b"(" + b"K\x01K\x02\x86" * 500 + b"l"),
        b"".join(name(i) + b"ccollections\nOrderedDict\nh\x05\x85R" for i in range(600)),
    ),
}


class TestNolearnsFiles:
    """They are pickles, and are read without running them."""

    @pytest.mark.parametrize("protocol", range(6))
    def test_read(self, make_net, fitted, tmp_path, protocol):
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps(fitted.get_all_params_values(), protocol))
        other = make_net()
        other.load_params_from(path)
        assert same_parameters(other, fitted)

    def test_a_plain_dictionary(self, make_net, fitted, tmp_path):
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps(dict(fitted.get_all_params_values()), 2))
        other = make_net()
        other.load_params_from(path)
        assert same_parameters(other, fitted)

    def test_of_python_2(self, make_net, fitted, tmp_path):
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps(Python2Dict(fitted.get_all_params_values()), 2))
        other = make_net()
        other.load_params_from(path)
        assert same_parameters(other, fitted)

    @pytest.mark.parametrize("place", ["alone", "value", "key", "array"])
    def test_what_they_say_is_not_run(self, make_net, tmp_path, place):
        bomb = Bomb(tmp_path / "made")
        held = {
            "alone": bomb,
            "value": {"hidden": bomb},
            "key": {("hidden", bomb): []},
            "array": {"hidden": [bomb]},
        }[place]
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps(held))
        with pytest.raises(FileFormatError, match=r"it asks for posix\.mkdir|asks for nt\.mkdir"):
            make_net().load_params_from(path)
        assert not (tmp_path / "made").exists()
        pickle.loads(path.read_bytes())  # elsewhere it would have been
        assert (tmp_path / "made").exists()

    @pytest.mark.parametrize(
        "held", [[1, 2], {"hidden": 3}, {3: []}, {"hidden": ["no array"]}, None, "text"]
    )
    def test_something_else(self, make_net, tmp_path, held):
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps(held))
        with pytest.raises(FileFormatError, match="not parameters of a network"):
            make_net().load_params_from(path)

    def test_one_array_many_times(self, make_net, tmp_path):
        array = np.zeros(1500, dtype=np.float32)
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps({"hidden": [array] * 1000}, 2))
        with pytest.raises(FileFormatError, match="it is longer than the arrays expected in it"):
            make_net().load_params_from(path)

    def test_shared_parameters_are_one_array(self, make_net, tmp_path):
        shared = np.ones((2, 3), np.float32)
        path = tmp_path / "net.params"
        path.write_bytes(pickle.dumps({"a": [shared], "b": [shared]}, 2))
        found = read_values(path, {"a": [shared], "b": [shared]})
        np.testing.assert_equal(found, {"a": [shared], "b": [shared]})
        assert found["a"][0] is found["b"][0]

    @pytest.mark.parametrize("program", list(REFERENCES.values()), ids=list(REFERENCES))
    def test_references_are_no_copies(self, tmp_path, program):
        path = tmp_path / "net.params"
        beginning, entries = program
        path.write_bytes(b"\x80\x02" + beginning + b"}(" + entries + b"u.")
        expected = {"hidden": [np.zeros((50_000, 200), np.float32)]}
        tracemalloc.start()
        try:
            with pytest.raises(FileFormatError, match=r"longer than the arrays|no dictionary of p"):
                read_values(path, expected)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()

    def test_damage_is_noticed(self, make_net, fitted, tmp_path, rng):
        content = np.frombuffer(pickle.dumps(fitted.get_all_params_values(), 2), dtype=np.uint8)
        path = tmp_path / "net.params"
        net = make_net()
        net.initialize()
        for _ in range(300):
            damaged = content.copy()
            damaged[rng.integers(min(len(content), 400), size=3)] = rng.integers(256, size=3)
            path.write_bytes(damaged[: rng.integers(1, len(content) + 1)].tobytes())
            try_to_load(net, path)


@pytest.mark.parametrize("where", ["the directory", "the member"])
def test_an_archive_that_lies_about_places(where, tmp_path):
    """Found by fuzzing: seeking to a place before the file was reported as a fault of the disk."""
    path = tmp_path / "values"
    write_values(path, {"dense": [np.ones((2, 3), np.float32)]})
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    offset = end + 16 if where == "the directory" else data.rfind(b"PK\x01\x02") + 42
    data[offset : offset + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="damaged"):
        read_values(path, {"dense": [np.ones((2, 3), np.float32)]})
