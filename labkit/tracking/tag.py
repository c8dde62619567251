"""The names of all tags that labkit gives its runs, and of those of MLflow's own that it reads or writes."""

from __future__ import annotations

# What a run is, and what makes it equal to another.
EXPERIMENT = "labkit.experiment"  # option of the config group `experiment`, else the run's name
LAB = "labkit.lab"  # lab that it belongs to, such as `kth`
PART = "labkit.part"  # part of that lab
PURPOSE = "labkit.purpose"  # `comparison` or `search`; the latter never opens the test set
CONFIG_HASH = "labkit.config_hash"  # equal for runs that must give equal results
SEED_GROUP = "labkit.seed_group"  # equal for runs that differ in their seed at most
SHAPE = "labkit.shape"  # equal for runs that cost the same
CODE = "labkit.code"  # versions of the user's own code: `mine.py=1f0c base.py=77aa`
SETTINGS = "labkit.settings"  # hash of everything but that code
CURVES = "labkit.published"  # file and version of curves drawn beside the run's own; they change none of its numbers

# The data.
DATA_SHA256 = "labkit.data_sha256"  # hash of the data set's content
DATA_VERIFIED = "labkit.data_verified"  # `true`, or `false` where the files are not the published archive
DATA_NOTES = "labkit.data_notes"  # remarks on the data set, a sentence a line
SAMPLES = "labkit.samples"  # size of each part: `train=1132 val=126 test=539`

# Where it comes from.
REPRODUCE = "labkit.reproduce"  # command line that repeats it
VERSIONS = "labkit.versions"  # of labkit, Python and packages: `labkit=0.1 python=3.12`
HARDWARE = "labkit.hardware"  # processor, cores and GPU
PROCESSOR = "labkit.processor"  # its name, and the instructions that decide how fast it multiplies
EXECUTION = "labkit.execution"  # how its steps were computed: `threads=1 convolutions=channels_first ...`
GIT_DIRTY = "labkit.git_dirty"  # `true` where files differ from the commit; absent outside a checkout
PROCESS = "labkit.process"  # process that writes it, see `labkit.process`
SPOOLED = "labkit.spooled"  # spool and number of the message that made it, by which a second delivery finds it
GROUP = "labkit.group"  # population that it was trained in: size, place, dtype, threads, device, members

# How it ended.
DIAGNOSIS = "labkit.diagnosis"  # a sentence a line, each begins with its kind and a colon
DIVERGED_AT = "labkit.diverged_at"  # updates after which its loss was not finite
PRUNED_AT = "labkit.pruned_at"  # updates after which its search gave it up
SUGGESTED_RANGE = "labkit.suggested_range"  # learning rates that a range test suggests: `0.001 0.1`
NOTE = "labkit.note"  # why it ended as it did; a copy of MLflow's note, which users may edit

# Multiruns and searches.
SWEEP = "labkit.sweep"  # name of a multirun, of its parent run only
JOBS = "labkit.jobs"  # number of its jobs, likewise
SEEDS_OF = "labkit.seeds_of"  # seed group and parent whose means this run holds
STUDY = "labkit.study"  # name of the sweep or search that trained it first
STAGE = "labkit.stage"  # stage of that search
TRIAL = "labkit.trial"  # number of the trial in that stage

# Runs that train nothing: checks, principles, and the records of parts of labs.
CHECKS = "labkit.checks"  # number of verdicts
PRINCIPLE = "labkit.principle"  # name of the principle
FOUND = "labkit.found"  # what they found, a sentence a line
LAB_PART = "labkit.lab_part"  # `kth/ex3`
PART_GIVEN = "labkit.part_given"  # words that give the part another data set
PART_GIVEN_SHA256 = "labkit.part_given_sha256"  # hash of that data
PART_WHOLE = "labkit.part_whole"  # `true` where every step of it ran
PART_DEFINITION = "labkit.part_definition"  # hash of what it runs; set last, so a record without it is unfinished

# MLflow's own.
PARENT = "mlflow.parentRunId"  # id of the parent run
SHOWN_NOTE = "mlflow.note.content"  # description on MLflow's pages
COMMIT = "mlflow.source.git.commit"  # commit of the checkout
SOURCE = "mlflow.source.name"  # program that made it
DATA_CONTEXT = "mlflow.data.context"  # of a data set: what it was used for
