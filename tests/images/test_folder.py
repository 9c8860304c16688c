"""Folders of photographs."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_files

from convnet_features.exceptions import ConvNetFeaturesWarning
from convnet_features.images import load_image_folder


def fill(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked at")


def found(root, bunch):
    return [str(name).removeprefix(f"{root}/") for name in bunch.filenames]


def test_as_load_files_does(tmp_path):
    fill(tmp_path, "dog/2.jpg", "dog/1.PNG", "cat/a.jpeg", "cat/b.webp", "Ärger/ü ß.gif")
    bunch = load_image_folder(tmp_path)
    assert bunch.target_names == ["cat", "dog", "Ärger"]
    assert found(tmp_path, bunch) == [
        "cat/a.jpeg",
        "cat/b.webp",
        "dog/1.PNG",
        "dog/2.jpg",
        "Ärger/ü ß.gif",
    ]
    np.testing.assert_array_equal(bunch.target, [0, 0, 1, 1, 2])
    assert f"Images of 3 classes from {tmp_path}" == bunch.DESCR
    assert load_image_folder(tmp_path, description="mine").DESCR == "mine"
    theirs = load_files(tmp_path, load_content=False, shuffle=False)
    assert set(theirs) == set(bunch)
    assert sorted(theirs.filenames) == sorted(bunch.filenames)
    assert theirs.target_names == bunch.target_names


def test_chosen_classes(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png", "c/1.png", "notes.txt")
    bunch = load_image_folder(str(tmp_path), classes=["c", "a"])
    assert bunch.target_names == ["c", "a"]
    assert found(tmp_path, bunch) == ["c/1.png", "a/1.png"]
    for wrong in (["c", "d"], ["c", "c"]):
        with pytest.raises(ValueError, match=r"each must be one of .*\['a', 'b', 'c'\]"):
            load_image_folder(tmp_path, classes=wrong)
    with pytest.raises(ValueError, match="classes must be a list; got 'a'"):
        load_image_folder(tmp_path, classes="a")


def test_nested_folders_and_links(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    fill(root, "a/deep/er/2.jpg", "a/1.jpg")
    fill(elsewhere, "3.jpg")
    (root / "a" / "linked").symlink_to(elsewhere)
    (root / "b").symlink_to(elsewhere)
    (root / "a" / "4.jpg").symlink_to(elsewhere / "3.jpg")
    (root / "a" / "deep" / "round").symlink_to(root / "a")
    bunch = load_image_folder(root)
    assert found(root, bunch) == [
        "a/1.jpg", "a/4.jpg", "a/deep/er/2.jpg", "a/linked/3.jpg", "b/3.jpg"
    ]  # fmt: skip
    np.testing.assert_array_equal(bunch.target, [0, 0, 0, 0, 1])


@pytest.mark.parametrize("up", [".", "..", "../.."])
def test_links_to_folders_that_they_lie_in(up, tmp_path):
    """Above all to the root: all classes' images would belong to one."""
    root = tmp_path / "above" / "root"
    fill(root, "cat/1.jpg", "dog/deep/2.jpg")
    fill(root.parent, "stranger.jpg", "other/3.jpg")
    (root / "cat" / "x").symlink_to(root / up, target_is_directory=True)
    (root / "dog" / "deep" / "y").symlink_to("../..")
    bunch = load_image_folder(root)
    assert found(root, bunch) == ["cat/1.jpg", "dog/deep/2.jpg"]
    (root / "all").symlink_to(root / up)
    with pytest.warns(ConvNetFeaturesWarning, match="Classes without images: 'all'"):
        bunch = load_image_folder(root)
    assert found(root, bunch) == ["cat/1.jpg", "dog/deep/2.jpg"]


def test_a_link_that_lies_elsewhere_goes_no_higher(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    fill(root, "a/1.jpg")
    fill(elsewhere, "2.jpg", "stranger/3.jpg", "inner/4.jpg")
    (root / "a" / "linked").symlink_to(elsewhere / "inner")
    (elsewhere / "inner" / "up").symlink_to(elsewhere)
    assert found(root, load_image_folder(root)) == ["a/1.jpg", "a/linked/4.jpg"]


def test_links_to_one_folder_in_many_levels(tmp_path):
    """Each folder is listed once for a class, not once for each of 2**n ways to it."""
    levels = [tmp_path / "elsewhere" / f"{level:02}" for level in range(30)]
    for level in levels:
        fill(level, "1.jpg")
    for level, below in pairwise(levels):
        for name in ("left", "right"):
            (level / name).symlink_to(below)
    for name in ("a", "b"):
        fill(tmp_path / "root", f"{name}/0.jpg")
        (tmp_path / "root" / name / "in").symlink_to(levels[0])
    bunch = load_image_folder(tmp_path / "root")
    np.testing.assert_array_equal(np.bincount(bunch.target), [31, 31])


def test_one_warning_for_all_that_is_left_out(tmp_path):
    fill(tmp_path, "a/1.jpg", "a/notes.txt", "a/deep/Thumbs.db", "stray.jpg", "a/.hidden.jpg")
    fill(tmp_path, ".git/x.jpg")
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "a" / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "b").mkdir()
    with pytest.warns(ConvNetFeaturesWarning) as seen:
        bunch = load_image_folder(tmp_path)
    (warning,) = seen
    assert str(warning.message) == (
        f"load_image_folder({str(tmp_path)!r}): 5 files are left out, as no images of a class: "
        "'stray.jpg', 'a/deep/Thumbs.db', 'a/empty.png', 'a/notes.txt', 'a/nowhere.jpg'. "
        "Classes without images: 'b'."
    )
    assert warning.filename == __file__
    assert found(tmp_path, bunch) == ["a/1.jpg"]
    assert bunch.target_names == ["a", "b"]


def test_a_long_list_is_capped(tmp_path):
    fill(tmp_path, "a/1.jpg", *[f"a/{number}.txt" for number in range(100)])
    with pytest.warns(ConvNetFeaturesWarning, match="100 files are left out.* and 80 more"):
        load_image_folder(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*none"):
        load_image_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no images in folders of its own"):
        load_image_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with warnings.catch_warnings(), pytest.raises(ValueError, match="holds no images in 'a'"):
        load_image_folder(tmp_path)
