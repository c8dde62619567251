"""Searching for good settings: spaces, stages from coarse to fine, studies that outlive a kill; Hydra is not needed.

In reading order: `space` (what may vary), `draws` and `samplers` (where trials lie), `zoom` (from one range to the
next), `stages` (what a search consists of), `walls` (a best value at an end), `storage` and `holder` (where it is
remembered, and who goes on with it), `trials` and `study` (one stage in its storage), `search` (all of it), `live`
(what a job hears of it).

Nothing is imported here: Optuna takes a moment, and an ordinary run needs none of it.
"""
