"""The engine: packs dispatched to workers under Ray Tune, and trained there."""
