"""One module per design; a module added here becomes a command. See :mod:`ablations`."""
