"""What a configuration file may do by itself, and what only words of the command line may.

A folder of configuration files may come from a stranger.

Hydra builds the entries of its own nodes before anybody can look at them, so a configuration is checked as soon as it
is composed. Values that a word of the command line has given are the user's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from labkit.config import ConfigError
from labkit.limits import LONGEST_WORD

_ROOT = "paths.root"
_OWN_ROOT = "${folder:}"
# Prefixes of constructors that Hydra may build of nodes of its own.
_BUILT = ("labkit.", "hydra.experimental.callbacks.", "hydra._internal.core_plugins.", "hydra_plugins.")
_BUILT_OF_SWEEPERS = ("optuna.samplers.", "optuna.pruners.")
_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
_NAMES = ("hydra.output_subdir", "hydra.sweep.subdir", "hydra.job.name")  # each one name in such a folder
_OF_JOBS = ("${hydra.job.num}", "${hydra.job.id}", "${hydra.job.override_dirname}", "${hydra.job.name}")
_LOGGERS: tuple[str, ...] = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "logging.Formatter")
_LOGGERS += ("logging.handlers.RotatingFileHandler", "logging.handlers.TimedRotatingFileHandler")
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_COLOURS = "colorlog.ColoredFormatter"
_COMMANDS = ("setup", "python", "srun_args", "runtime_env", "worker_process_setup_hook", "env_vars")  # of launchers
_THREADS = ("_NUM_THREADS", "CUDA_VISIBLE_DEVICES")  # ends of names of variables that a file may set for jobs
_READS_VARIABLES = ("paths.", "hydra.sweeper.storage", "hydra.job.env_set.")
_ABSENT = object()


def guard() -> None:
    """Let Hydra check what it composes in this process, and let `${oc.env:NAME}` read only what it may."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    if getattr(ConfigLoaderImpl.load_configuration, "guarded", False):
        return
    OmegaConf.register_new_resolver("oc.env", _variable, replace=True)
    load, load_job = ConfigLoaderImpl.load_configuration, ConfigLoaderImpl.load_sweep_config
    of_job = False

    def load_configuration(self: Any, config_name: Any, overrides: list[str], *rest: Any, **more: Any) -> DictConfig:
        if long := next((word for word in overrides if len(word) > LONGEST_WORD), None):
            key = long.partition("=")[0][:50]
            told = f"{len(long):,} characters on the command line, expected at most {LONGEST_WORD:,}"
            raise ConfigError(f"{key}: {told}; a file has room for more.")
        config = load(self, config_name, overrides, *rest, **more)
        if not of_job:
            check(config, overrides)
        return config

    def load_sweep_config(self: Any, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        nonlocal of_job
        before, of_job = of_job, True  # its words are the command line's, and those of a sweep that was checked
        try:
            return load_job(self, master_config, sweep_overrides)
        finally:
            of_job = before

    load_configuration.guarded = True  # type: ignore[attr-defined]
    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign]
    ConfigLoaderImpl.load_sweep_config = load_sweep_config  # type: ignore[method-assign]


def check(config: DictConfig, words: Sequence[str]) -> None:
    """Check a composed configuration, Hydra's own node included.

    Args:
        config: Configuration of a command.
        words: Words of its command line.

    Raises:
        ConfigError: A file asks for what only the command line may.
    """
    given = [word.lstrip("+~").partition("=") for word in words]

    def is_given(key: str) -> bool:
        return any(name == key or (key.startswith(f"{name}.") and value[:1] == "{") for name, _, value in given)

    _check_targets(config, is_given)
    _check_folders(config, is_given)
    _check_logging(config, is_given)
    _check_launcher(config, is_given)
    for key, _ in _leaves(OmegaConf.select(config, "hydra.sweeper"), "hydra.sweeper"):
        name = key.partition(".params.")[2].lstrip("+~")
        if name.startswith(("hydra.", "hydra/", "targets", "paths", "task")) and not is_given(name):
            raise ConfigError(f"{key}: {_only_said('varies what only the command line may give')}")


Given = Callable[[str], bool]


def _only_said(what: str) -> str:
    return f"a file {what}; a word of the command line may, with the same key and value."


def _check_targets(config: DictConfig, is_given: Given) -> None:
    """Check the allow-list, and all that Hydra builds of its own nodes."""
    targets = config.get("targets") or ()
    if targets and not is_given("targets"):
        shown = ",".join(map(str, targets))
        raise ConfigError(
            f"targets: a file asks to run code of its own ({shown}); if you trust it, say so on the command line: "
            f"'targets=[{shown}]'."
        )
    for node in ("callbacks", "launcher", "sweeper"):
        allowed = (*_BUILT, *(_BUILT_OF_SWEEPERS if node == "sweeper" else ()))
        for key, value in _leaves(OmegaConf.select(config, f"hydra.{node}"), f"hydra.{node}"):
            if not key.endswith("._target_") or value is None or is_given(key):
                continue
            if str(value) not in targets and not str(value).startswith(allowed):
                own = "one of your own also needs the key 'targets' on the command line"
                raise ConfigError(f"{key}: {value!r} is not allowed; {own}.")


def _check_folders(config: DictConfig, is_given: Given) -> None:
    """Check that all that is written lies under `paths.root`, and that nobody but the user has named that."""
    paths = config.get("paths")
    raw = paths._get_node("root") if isinstance(paths, DictConfig) else None
    own = isinstance(raw, Node) and raw._value() == _OWN_ROOT
    if isinstance(raw, Node) and not own and not is_given(_ROOT):
        raise ConfigError(f"{_ROOT}: {_only_said('says where to write')}")
    root = str(_resolved(config, _ROOT) or os.getcwd())
    for key in _FOLDERS:
        if not is_given(key) and not _inside(root, _resolved(config, key)):
            raise ConfigError(f"{key}: {_only_said(f'leads out of {root}')}")
    for key in _NAMES:
        if is_given(key):
            continue
        name = _raw(config, key)
        for known in _OF_JOBS:
            name = name.replace(known, "")
        if name.startswith("/") or ".." in name or "${" in name:
            raise ConfigError(f"{key}: {_only_said('leads out of its folder')}")
    for key in ("task.picture", "hydra.sweeper.storage"):
        value = OmegaConf.select(config, key) if not is_given(key) else None
        place = str(value or "").partition("sqlite:///")[2] or str(value or "")
        if value is not None and "://" not in place and not _inside(root, os.path.join(root, place)):
            raise ConfigError(f"{key}: {_only_said(f'leads out of {root}')}")


def _check_logging(config: DictConfig, is_given: Given) -> None:
    """Check what Python's logging would build: its dictionaries may name any constructor."""
    root = str(_resolved(config, _ROOT) or os.getcwd())
    for node in ("hydra.hydra_logging", "hydra.job_logging"):
        for key, value in _leaves(OmegaConf.select(config, node), node):
            name, text = key.rpartition(".")[2], str(value)
            allowed = {"()": (_COLOURS,), "class": _LOGGERS}.get(name)
            strange = (allowed is not None and text not in allowed) or (
                text.startswith(("ext://", "cfg://")) and text not in _STREAMS
            )
            if strange and not is_given(key):
                raise ConfigError(f"{key}: {_only_said(f'asks to build {text!r}')}")
            if name == "filename" and not is_given(key):
                rest = text.removeprefix("${hydra.runtime.output_dir}/").replace("${hydra.job.name}", "")
                safe = rest != text and ".." not in rest and "${" not in rest
                if not safe and not _inside(root, _resolved(config, key)):
                    raise ConfigError(f"{key}: {_only_said(f'leads out of {root}')}")


def _check_launcher(config: DictConfig, is_given: Given) -> None:
    """Check that no file has a launcher run commands, or sets variables that decide what programs run."""
    for key, value in _leaves(OmegaConf.select(config, "hydra.launcher"), "hydra.launcher"):
        parts = key.split(".")
        command = any(part in _COMMANDS for part in parts) and value not in (None, "")
        if (command or "\n" in str(value)) and not is_given(key.partition("[")[0]):
            raise ConfigError(f"{key.partition('[')[0]}: {_only_said('asks to run commands')}")
    for key, _ in _leaves(OmegaConf.select(config, "hydra.job.env_set"), "hydra.job.env_set"):
        if not key.endswith(_THREADS) and not is_given(key):
            raise ConfigError(f"{key}: {_only_said('sets a variable that may decide which programs run')}")


def _leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Return each value below a node, unresolved, with its full key; those of lists with their place in brackets."""
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing() and not node._is_interpolation():
        for name in map(str, node):
            yield from _leaves(node._get_node(name), f"{key}.{name}")
    elif isinstance(node, ListConfig) and not node._is_none() and not node._is_missing():
        for i in range(len(node)):
            yield from _leaves(node._get_node(i), f"{key}[{i}]")
    elif isinstance(node, Node):
        yield key, node._value()


def _raw(config: DictConfig, key: str) -> str:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent)._get_node(name)
    value: object = node._value() if isinstance(node, Node) else None
    return "" if value is None else repr(value).strip("'")


def _resolved(config: DictConfig, key: str) -> str | None:
    """Return the value of a key; None where it cannot be resolved yet, or is null."""
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None
    return None if value is None else str(value)


def _inside(root: str, path: str | None) -> bool:
    if path is None:
        return False
    home = os.path.realpath(root)
    return os.path.commonpath([home, os.path.realpath(path)]) == home


def _variable(name: str, default: Any = _ABSENT, *, _node_: Node) -> Any:
    """Return an environment variable, for the few keys that may have one: they name places, and are no setting.

    One in `paths` must hold a path, unless it is labkit's own: what stands there is recorded with the run.
    """
    key = str(_node_._get_full_key(None))
    if not key.startswith(_READS_VARIABLES):
        raise ConfigError(
            f"{key}: it would read the environment variable {name} and keep it with the run; "
            f"only paths.data, paths.root, hydra.sweeper.storage and hydra.job.env_set may read one."
        )
    value = os.environ.get(name)
    own = name.startswith("LABKIT_") or not key.startswith("paths.")
    if value is not None and not own and not os.path.isabs(os.path.expanduser(value)):
        raise ConfigError(f"{key}: expected a path in the environment variable {name}, from the root or '~'.")
    if value is not None:
        return value
    if default is _ABSENT:
        raise ConfigError(f"{key}: there is no environment variable {name}.")
    return default
