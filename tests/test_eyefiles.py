import pytest

from drone.eyefiles import eye_folders, natural, pairs_by_name


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left10.png", "right10.png", "left9.png", "right9.png"], 2),
        (["a_L.png", "a_R.png"], 1),
        (["cam0-1.png", "cam1-1.png"], 1),
        (["leftover.png", "rightful.png"], 0),
        (["left1.png", "right2.png"], 0),
        (["left-left.png", "right-right.png"], 0),
        ([], 0),
    ],
)
def test_eyes_in_names(names, pairs):
    found, left_out = pairs_by_name(names)
    assert len(found) == pairs
    assert left_out == (2 if names[:1] == ["left1.png"] else 0)


def test_numbers_sort_by_value():
    assert sorted(["f10.png", "f9.png", "f1.png"], key=natural) == ["f1.png", "f9.png", "f10.png"]
    pairs, _ = pairs_by_name(["left10.png", "right10.png", "left9.png", "right9.png"])
    assert pairs == [("left9.png", "right9.png"), ("left10.png", "right10.png")]


def test_folders_of_the_eyes():
    assert eye_folders(["Right", "Left", "x"]) == ("Left", "Right")
    assert eye_folders(["left"]) is None
