"""What flies can be imported here, and what cannot is named."""

from __future__ import annotations

import sys

from drone.config.onboard import OnboardConfig
from drone.doctor import software


def test_all_that_flies_is_here():
    flies = software.modules_of(OnboardConfig(learner={"steps_per_frame": 0}))
    (finding,) = software.check(software.import_problems(flies))
    assert finding.verdict == "ok"
    assert software.modules_of(OnboardConfig()) == [*flies, "training.onboardtrainer"]


def test_what_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "other_system.so").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "needs_it.py").write_text(
        f"import ctypes; ctypes.CDLL('{tmp_path}/other_system.so')\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    problems = software.import_problems(["json", "no_such_module", "needs_it"])
    assert set(problems) == {"no_such_module", "needs_it"}
    found = software.check(problems)
    assert {f.verdict for f in found} == {"fail"}
    assert "No module named 'no_such_module'" in found[0].what
