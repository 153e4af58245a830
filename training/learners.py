"""Which learner a configuration names."""

from __future__ import annotations

from training.trainer import Syllabus, Trainer


def trainer_for(syllabus: Syllabus) -> Trainer:
    """Return a fresh learner; only what it needs is imported."""
    if syllabus.config.kind == "cnn":
        from training.online import OnlineTrainer, single_thread

        single_thread()
        return OnlineTrainer(syllabus)
    from training.textonlearner import TextonTrainer

    return TextonTrainer(syllabus)
