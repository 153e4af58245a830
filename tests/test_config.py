import contextlib
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drone.config import (
    Config,
    FaultConfig,
    PilotConfig,
    launch_folder,
    load,
    load_as,
    loads,
)
from drone.config.faults import PARAMETERS
from drone.config.onboard import OnboardConfig
from drone.errors import UserError

LAUNCHES = sorted(launch_folder().glob("*.toml"))


def refusal(text="", overrides=()):
    """The message with which a configuration is refused."""
    with pytest.raises(UserError) as caught:
        load(None, overrides) if overrides else loads(text, "here.toml")
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is right


def test_a_width_without_pretrained_weights_starts_fresh():
    assert "has no pre-trained weights" in refusal("[learner]\nwidth = 8")
    assert load(None, ["learner.width=8", "learner.start=fresh"]).learner.width == 8
    assert load(None, ["learner.width=8", "learner.kind=texton-knn"]).learner.width == 8


def test_the_defaults_are_a_configuration():
    assert load() == Config() == loads("", "nothing")


@pytest.mark.parametrize("path", LAUNCHES, ids=[p.name for p in LAUNCHES])
def test_what_ships_loads(path):
    if path.name.startswith("companion_"):
        vehicle = load_as(OnboardConfig, path)
        assert OnboardConfig.model_validate(tomllib.loads(vehicle.to_toml())) == vehicle
        assert vehicle.flight.name
        return
    config = load(path)
    assert loads(config.to_toml(), "again") == config
    assert config.flight.name


def test_a_situation_that_ships_is_found():
    assert "room.toml" in [p.name for p in LAUNCHES]


def test_toml_and_back():
    config = Config.model_validate(
        {
            "flight": {"name": "a-b_c.1", "seed": 2**31 - 1, "duration_s": 0.1},
            "pilot": {"trust": {"max_fpr": 1 / 3}, "switching": {"strategy": "stereo_only"}},
            "sim": {
                "faults": [
                    {"kind": "black", "start_s": 1.5},
                    {"kind": "frozen", "eye": "pair", "start_s": 2, "end_s": 3.25},
                ]
            },
        }
    )
    again = loads(config.to_toml(), "again")
    assert again == config
    assert again.sim.faults[0].end_s is None
    assert tomllib.loads(config.to_toml())["pilot"]["trust"]["max_fpr"] == 1 / 3


@given(
    st.integers(0, 2**31 - 1),
    st.floats(1e-3, 86400),
    st.floats(0, 1),
    st.lists(st.floats(0, 1e6), max_size=3),
    st.sampled_from([2.0, 4.0, 10.0, 20.0, 40.0]),
)
def test_any_configuration_survives_toml(seed, duration_s, max_fpr, starts, rate_hz):
    config = Config.model_validate(
        {
            "flight": {"seed": seed, "duration_s": duration_s},
            "pilot": {"tick_hz": 40.0, "trust": {"max_fpr": max_fpr}},
            "sim": {
                "camera": {"rate_hz": rate_hz},
                "faults": [{"kind": "white", "start_s": s} for s in starts],
            },
        }
    )
    assert loads(config.to_toml(), "again") == config


def test_a_fault_is_written_with_its_own_parameters_only():
    fault = FaultConfig(kind="covered", start_s=1.0)
    assert fault.model_dump() == {
        **{"kind": "covered", "eye": "right", "start_s": 1.0, "end_s": None},
        **{"share": 0.5, "level": 10.0},
    }
    assert FaultConfig.model_validate(fault.model_dump()) == fault


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
def test_every_kind_of_fault_survives_toml(kind):
    turned = {"yaw_deg": 1.0} if kind == "miscalibrated" else {}
    fault = {"kind": kind, "start_s": 1.0, **turned}
    config = Config.model_validate({"sim": {"faults": [fault]}})
    assert loads(config.to_toml(), "again") == config


def test_overrides_go_over_the_file(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('[flight]\nseed = 3\nname = "file"\n')
    config = load(
        path,
        [
            "flight.seed=4",
            "flight.name=bare-word",
            "pilot.trust.max_fpr = 0.25",
            'sim.faults=[{kind = "black", start_s = 2.0}]',
        ],
    )
    assert (config.flight.seed, config.flight.name) == (4, "bare-word")
    assert config.pilot.trust.max_fpr == 0.25
    assert config.sim.faults == (FaultConfig(kind="black", start_s=2.0),)


def test_the_tree_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Config().flight.seed = 3
    assert hash(Config()) == hash(Config())


def test_the_corridor_is_the_hull_and_its_margin():
    config = PilotConfig.model_validate(
        {
            "corridor": {"hull_width_m": 0.6, "hull_height_m": 0.2, "margin_m": 0.1, "sectors": 6},
            "switching": {"stop_m": 1.5},
            "grid": {"rows": 6, "cols": 8},
        }
    )
    corridor = config.corridor_spec
    assert corridor.half_width_m == pytest.approx(0.4)
    assert corridor.half_height_m == pytest.approx(0.2)
    assert (corridor.reference_m, corridor.sectors) == (1.5, 6)
    assert (config.grid_spec.rows, config.grid_spec.cols) == (6, 8)


# What is wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[pilott]\n", "unknown key 'pilott'; did you mean 'pilot'?"),
        ("[pilot.trust]\nmax_frp = 0.3\n", "'pilot.trust.max_frp'; did you mean 'max_fpr'?"),
        (
            "[sim.room]\nzzz = 1\n",
            "valid here: changes, difficulty, height_m, layout, length_m, obstacles, width_m",
        ),
        (
            '[[sim.faults]]\nknid = "black"\nkind = "black"\nstart_s = 1\n',
            "'sim.faults.0.knid'; did you mean 'kind'?",
        ),
        ("[flight]\nseed = -1\n", "flight.seed = -1: input should be greater than or equal to 0"),
        ("[flight]\nseed = 2147483648\n", "less than 2147483648"),
        ("[flight]\nseed = 1.5\n", "flight.seed = 1.5"),
        ('[flight]\nseed = "x"\n', "flight.seed = 'x'"),
        ('[flight]\nname = "a b"\n', "flight.name = 'a b'"),
        ('[flight]\nname = "../x"\n', "flight.name"),
        ("[flight]\nduration_s = 0\n", "flight.duration_s = 0"),
        ("[flight]\nduration_s = inf\n", "flight.duration_s = inf"),
        ("[flight]\nduration_s = nan\n", "flight.duration_s = nan"),
        ("[pilot.trust]\nmax_fpr = 1.1\n", "pilot.trust.max_fpr = 1.1"),
        ("[pilot.trust]\nwindow_s = 200\n", "pilot.trust: holdout_window_s must not be less"),
        ("flight = 3\n", "flight = 3"),
        ('[pilot.switching]\nstrategy = "mono"\n', "'stereo_only' or 'mono_only'"),
        ("[pilot]\ntick_hz = 7\n", "pilot.tick_hz = 7 must divide 240 Hz"),
        ("[sim.camera]\nrate_hz = 30\n", "sim.camera.rate_hz = 30 must divide 20 Hz"),
        ("[sim.camera]\nrate_hz = 3\n", "sim.camera.rate_hz = 3 must divide 20 Hz"),
        ("[pilot.mono]\nwidth_px = 130\n", "multiples of grid.cols x rows"),
        ("[pilot.switching]\noverride_m = 1.1\nstop_m = 1.0\n", "must not exceed"),
        (
            '[[sim.faults]]\nkind = "black"\nstart_s = 5\nend_s = 5\n',
            "sim.faults.0: end_s = 5 must be later than start_s",
        ),
        ('[[sim.faults]]\nkind = "black"\n', "sim.faults.0.start_s"),
        ('[[sim.faults]]\nkind = "dim"\nstart_s = 1\n', "'link_delay' or 'gust'"),
        (
            '[[sim.faults]]\nkind = "black"\nstart_s = 1\nsigma_px = 2\n',
            "kind 'black' takes no 'sigma_px'; it takes eye, start_s, end_s",
        ),
        (
            '[[sim.faults]]\nkind = "gust"\nstart_s = 1\neye = "left"\n',
            "kind 'gust' takes no 'eye'; it takes wind_mps, toward_deg, start_s, end_s",
        ),
        (
            '[[sim.faults]]\nkind = "swapped"\nstart_s = 1\neye = "left"\n',
            "kind 'swapped' takes no 'eye'",
        ),
        (
            '[[sim.faults]]\nkind = "miscalibrated"\nstart_s = 1\n',
            "needs roll_deg, pitch_deg or yaw_deg other than 0",
        ),
        ('[[sim.faults]]\nkind = "dropped"\nstart_s = 1\nprobability = 1.5\n', "probability = 1.5"),
        ("[sim.camera]\nwidth_px = 130\n", "sim.camera.width_px x height_px (130 x 96)"),
        (
            '[sim]\nrenderer = "vulkan"\n',
            "sim.renderer = 'vulkan': input should be 'auto', 'tiny' or",
        ),
        ("[sim.camera]\nshutter_samples = 4\n", "shutter_samples = 4 must be odd"),
        ("[sim.camera]\ndistortion = [0.1]\n", "distortion has 1 numbers; expected none, or k1"),
        ("[sim.camera.left_off]\nyaw_deg = 20\n", "sim.camera.left_off.yaw_deg = 20"),
    ],
)
def test_wrong_settings_are_named_with_what_would_be_right(text, expected):
    message = refusal(text)
    assert message.startswith("here.toml: ")
    assert expected in message


def test_further_mistakes_are_counted():
    assert "(and 2 more)" in refusal("[flight]\nseed = -1\nduration_s = -1\nnmae = 3\n")


@pytest.mark.parametrize("text", ["a = \n", "[flight\n", "a = 1\na = 2\n", "= 3"])
def test_bad_toml_is_said_with_its_place(text):
    message = refusal(text)
    assert "here.toml: not valid TOML" in message
    assert "line" in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("flight.seed", "expected dotted.key=value"),
        ("=3", "expected dotted.key=value"),
        ("flight..seed=3", "expected dotted.key=value"),
        ("flight.seed=abc", "flight.seed = 'abc'"),
        ("flight.seed=", "flight.seed = ''"),
        ("flight.sede=3", "did you mean 'seed'?"),
        ("flight=3", "flight = 3"),
        ("nothing.at.all=3", "unknown key 'nothing'"),
        ("pilot.trust.max_fpr=nan", "pilot.trust.max_fpr"),
    ],
)
def test_wrong_overrides(override, expected):
    assert expected in refusal(overrides=[override])


def test_an_override_into_a_value_is_refused():
    assert "is a value, not a section" in refusal(overrides=["flight.seed=3", "flight.seed.x=3"])


def test_a_mistake_in_an_override_is_not_put_on_the_file(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text("[flight]\nseed = 3\n")
    with pytest.raises(UserError) as caught:
        load(path, ["flight.sede=4"])
    assert "good.toml" not in str(caught.value)
    assert "override flight.sede=4: unknown key" in str(caught.value)
    path.write_text("[flight]\nsede = 3\n")
    with pytest.raises(UserError, match=r"good\.toml: unknown key 'flight\.sede'"):
        load(path, ["flight.seed=4"])


def test_an_override_may_mend_a_file_that_is_wrong_alone(tmp_path):
    """Two settings that must fit each other, one in the file, one given by hand."""
    path = tmp_path / "x.toml"
    path.write_text("[pilot]\ntick_hz = 30\n")
    assert load(path, ["sim.camera.rate_hz=15"]).pilot.tick_hz == 30


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"no configuration file .*those that ship.*room\.toml"):
        load(tmp_path / "missing.toml")
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[flight]\nname = "\xe9"\n')
    with pytest.raises(UserError, match="not valid TOML"):
        load(latin)


keys = st.one_of(
    st.text(max_size=40), st.sampled_from(["flight.seed", "pilot.tick_hz", "sim.faults", "sim"])
)


@given(keys, st.text(max_size=20))
def test_any_override_is_taken_or_refused_in_words(key, value):
    with contextlib.suppress(UserError):
        assert isinstance(load(None, [f"{key}={value}"]), Config)
