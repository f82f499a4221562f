"""The search: space, samplers, objectives, pruners and the Optuna study, the only source of truth about trials."""
