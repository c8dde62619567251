"""Searching for good settings: spaces, stages from coarse to fine, studies that outlive a kill; Hydra is not needed.

In reading order: `dimension` and `space` (keys that are searched over), `draws`, `listed` and `samplers` (the points
of the trials), `zoom` (from one range to the next), `stages` (the parts of a search), `walls` (a best value at an end
of its range), `storage`, `owner` and `holder` (the file or database, and the one process that may go on with it),
`trials` and `study` (one stage in its storage), `plans` (the trials that a stage must have), `search` (all of it),
`live` and `judging` (running jobs report, and hear that they are pruned).

Nothing is imported here: Optuna takes a moment, and an ordinary run needs none of it.
"""
