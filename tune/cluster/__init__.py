"""Ray clusters as files for `ray up`: checked before money is spent, and workers waited for before a sweep starts.

:mod:`tune.cluster.check` is the whole check; the other modules look at one thing each and return findings, so that all
problems are told at once. Nothing here needs a network or credentials.
"""
