"""Composition of a configuration from command-line words, and Hydra's complaints as one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from labkit.bounded_yaml import bound
from labkit.cache import cache_folder
from labkit.config import ConfigError
from labkit.permissions import guard
from labkit.shipped import CONF as CONF


def register_resolvers() -> None:
    """Register the resolvers that conf/ uses: three facts of the process, and the mode that `seeds` asks for.

    What is composed from now on is checked, see `labkit.permissions`.
    """
    bound()
    guard()
    OmegaConf.register_new_resolver("process", lambda: str(os.getpid()), replace=True)
    OmegaConf.register_new_resolver("folder", lambda: os.getcwd(), replace=True)
    OmegaConf.register_new_resolver("cache", lambda: str(cache_folder()), replace=True)
    OmegaConf.register_new_resolver("run_or_multirun", lambda n: None if n is None else "MULTIRUN", replace=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """Return the configuration of one run, Hydra's own node included; raise ConfigError for faulty words or files."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_resolvers()
    # Hydra keeps one initialisation per process and refuses a second one.
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
            return hydra_compose("config", overrides=list(overrides), return_hydra_config=True)
    except Exception as error:
        if not is_complaint(error):
            raise
        raise ConfigError(explain(error, overrides)) from None


def is_complaint(error: Exception) -> bool:
    """Return True for an error by which Hydra, OmegaConf or the YAML reader rejects the user's words or files."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    return isinstance(error, HydraException | OmegaConfBaseException | YAMLError) or str(error).startswith(_NO_OPTION)


_EXTRAS = {"submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}  # launcher -> extra of labkit
ALONE = "a choice, range or interval stands alone, not inside another value; all values as one choice: 0.1,0.2,0.3."
_NO_OPTION = "Config group override must be"


def explain(error: Exception, words: Sequence[str] = ()) -> str:
    """Return one sentence for a complaint of Hydra, OmegaConf or the YAML reader, with the nearest valid name.

    Args:
        error: Error for which `is_complaint` is True.
        words: Words of the command line, if known.
    """
    # Hydra raises one type for most of its complaints, so they are told apart by their texts.
    text = str(error)
    if found := re.search(r"ConfigError raised while resolving interpolation: (.+)", text):
        return found[1]
    if mark := getattr(error, "problem_mark", None):
        place = f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}"
        kind = "this is too much" if type(error).__name__ == "ComposerError" else "this is no YAML"
        return f"{place}: {kind}: {getattr(error, 'problem', '')}."
    if text.startswith(_NO_OPTION):
        return _no_option(words)
    if found := re.search(r"In '([^']*)': Could not find '([^']+)'", text):
        return _missing_option(found[1], found[2], text)
    if found := re.search(r"Could not override '([^']+)'|Could not delete from config. '([^']+)'", text):
        return _unknown_key(found[1] or found[2], f"{error.__cause__}")
    if found := re.search(r"In '([^']+)': ConfigKeyError .*\n?.*full_key: (hydra\.\S+)", text, re.S):
        return f"{found[1]}.yaml: {_unknown_hydra_key(found[2], text)}"
    if found := re.search(r"Could not delete '([^']+)'", text):
        return f"~{found[1]}: the configuration does not have it, so it cannot be taken out."
    if found := re.search(r"An item is already at '([^']+)'", text):
        return f"+{found[1]}: the configuration has this key, expected {found[1]}=... without the '+'."
    if found := re.search(r"Multiple values for ([^.]+)\.", text):
        if any(word.startswith(f"+{found[1]}=") for word in words):
            return f"+{found[1]}: this group is in the defaults, expected {found[1]}=... without the '+'."
        return f"{found[1]}: given more than once, expected one value (a multirun needs -m)."
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{found[1]}: several values need a multirun: add -m, or quote a list as 'key=[1,2]'."
    if found := re.search(r"Additional config directory '([^']+)' not found", text):
        return f"--config-dir: there is no folder {found[1]!r}."
    if (found := re.search(r"Error merging override (.+)", text)) and re.search(
        r"(Choice|Range|Interval)Sweep\b|Glob\b", str(error.__cause__)
    ):
        return f"{found[1]}: {ALONE}"
    if "override_grammar" in text:
        word = getattr(error, "override", None) or next(iter(words), "")
        if found := re.search(r"\w+ while evaluating '(.+)': (.+)", text):
            return f"{word!r} cannot be read: {_function_complaint(str(word), found[1], found[2])}"
        if found := re.match(r"([^=]+)=([^='\"][^'\"]*=[^'\"]*)$", str(word)):
            return f"{word!r} cannot be read: a value with '=' in it needs quotes, \"{found[1]}='{found[2]}'\"."
        return f"{word!r} cannot be read, expected key=value, with a value such as 0.1, relu, '[1,2]' or '{{a: 1}}'."
    if found := re.search(r"Cannot find primary config '([^']+)'", text):
        return f"--config-name: there is no config {found[1]!r}, expected config."
    if found := re.search(r"field 'hydra\.sweeper\.params\.(\S+)' is not Optional", text):
        return f"hydra.sweeper.params.{found[1]}: Hydra's own sweeper takes null as a text only: 'null'."
    if found := re.search(r"^(.+?)\n\s*full_key: (\S+)", text, re.S):
        said = re.sub(r"^Missing mandatory value: .*", "a value is needed and none was given", found[1])
        return f"{found[2]}: {' '.join(said.split())}."
    first = " ".join(f"{text} {error.__cause__ or ''}".split()).rstrip(".")
    return f"the command line or a config file cannot be read: {first}."


_FUNCTIONS = ("choice", "glob", "interval", "range", "shuffle", "sort", "tag", "int", "float", "str", "bool")


def _function_complaint(word: str, call: str, said: str) -> str:
    """Return a sentence for a fault that Hydra's grammar found in a call such as `choice(null,0.2)`."""
    from labkit.config import nearest

    key, name = word.partition("=")[0], call.partition("(")[0]
    if name == "choice" and "NoneType" in said:
        return f"Hydra's choice() takes no null, without it null may be a value: {key}={call[len('choice(') : -1]}."
    if found := re.search(r"Unknown function '(\w+)'", said):
        return f"there is no function {found[1]!r}, {nearest(found[1], _FUNCTIONS)}"
    if found := re.search(r"mismatch type argument (\S+): (\w+) is incompatible", said):
        which = "" if "[" in found[1] else f" as its {found[1]}"
        return f"{name}() cannot take {_KINDS.get(found[2], found[2])}{which}."
    return f"{call}: {said.rstrip('.')}."


_KINDS = {"NoneType": "null", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
_KINDS |= {"RangeSweep": "a range", "ChoiceSweep": "a choice", "IntervalSweep": "an interval", "Glob": "a glob"}


def _no_option(words: Sequence[str]) -> str:
    """Return a sentence for an option that is no name, since Hydra says neither which word was wrong nor why."""
    for word in words:
        group, _, value = word.partition("=")
        if (CONF / group).is_dir():
            wrong = [one for one in value.split(",") if re.fullmatch(r"null|true|false|[-+.\d]\S*", one, re.I)]
            if group and wrong:
                valid = ", ".join(_options(group, [CONF]))
                return f"{group}: expected one of its options, got {wrong[0]}; valid: {valid}."
            if not group:
                return f"{word!r} cannot be read, expected key=value."
    return "a group takes the name of one of its options, such as model=mlp."


def _missing_option(where: str, wanted: str, text: str) -> str:
    """Return a sentence for an option `wanted` that a group does not have, named in the config `where`."""
    from labkit.config import nearest

    folders = [Path(folder) for folder in re.findall(r"path=file://(\S+)", text)]
    depth = 2 if wanted.startswith("hydra/") else 1
    group, option = "/".join(wanted.split("/")[:depth]), "/".join(wanted.split("/")[depth:])
    listed = re.findall(r"^\t([\w-]+)$", text, re.M)
    if group == "hydra/launcher" and option in _EXTRAS:
        return f"{group}={option}: it is not installed; pip install 'labkit[{_EXTRAS[option]}]' brings it."
    inside = "" if where in ("config", "hydra/config") else f"{where}.yaml: "
    return f"{inside}{group}: there is no option {option!r}, {nearest(option, {*_options(group, folders), *listed})}"


def _options(group: str, folders: Iterable[Path]) -> list[str]:
    """Return every option of a group, with its folder inside the group: `kth/ex3`."""
    files = [(file, folder / group) for folder in folders for file in (folder / group).rglob("*.yaml")]
    return sorted({str(file.relative_to(folder).with_suffix("")) for file, folder in files})


def _unknown_hydra_key(key: str, said: str) -> str:
    """Return a sentence for an unknown key of Hydra's own node.

    OmegaConf's text `said` names the type of node that lacks the key; that type has the valid names.
    """
    from hydra import conf
    from hydra.core.config_store import ConfigStore

    from labkit.config import nearest

    where, _, name = key.rpartition(".")
    group, store = where.replace(".", "/"), ConfigStore.instance()
    files = store.list(group) if group in ("hydra/sweeper", "hydra/launcher") else []
    nodes = {file.removesuffix(".yaml"): store.load(f"{group}/{file}").node for file in files if "." in file}
    types = {OmegaConf.get_type(node).__name__: node for node in nodes.values()}  # type: ignore[union-attr]
    lacking = re.search(r"not in '(\w+)'", said)
    here: Any = (types.get(lacking[1]) or vars(conf).get(lacking[1])) if lacking else None
    owners = [f"{group}={option}" for option, node in nodes.items() if name in node]
    about = f"unknown key {key!r} (labkit --cfg hydra shows all)"
    about += f": it exists only with {' or '.join(owners)}; here" if owners else ""
    valid = {str(one) for one in OmegaConf.structured(here)} - {"_target_", "_recursive_", "defaults"} if here else ()
    if owners and (name in valid or not valid):  # the key exists; the key to be set inside it does not
        return f"{key}: a key that it has not yet is added with '+', expected +{key}=..."
    near = nearest(name, valid).replace("mean '", f"mean '{where}.")
    return f"{about}, {near}" if valid else f"{about}."


def _unknown_key(key: str, said: str) -> str:
    """Return a sentence for an unknown key, with its owners or the nearest valid key."""
    from labkit.config import nearest

    key = key.lstrip("+~")
    group, _, name = key.partition(".")
    if group == "hydra":
        return _unknown_hydra_key(key, said)
    if group == "split" and name:
        return f"unknown key {key!r}, {nearest(f'data.{name}', {f'data.{valid}' for valid in keys_of('data')})}"
    options = _keys_of_options(group) if name else {}
    if owners := [option for option, keys in options.items() if name in keys]:
        return f"unknown key {key!r}: it exists only with {' or '.join(owners)}."
    holder, _, part = name.rpartition(".")
    if any(holder in keys for keys in options.values()):
        holder = f"{group}.{holder}"
        return f"unknown key {key!r}: {holder!r} is one value; a mapping is written '{holder}={{{part}: ...}}'."
    valid = {f"{group}.{name}" for keys in options.values() for name in keys}
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra"}
    homes = set() if name else groups - {"experiment", "sweeps"}
    inside = {f"{home}.{key}" for home in homes if key in keys_of(home)}
    return f"unknown key {key!r}, {nearest(key, valid or inside or groups | _keys(CONF / 'config.yaml'))}"


def keys_of(group: str) -> set[str]:
    """Return the keys that at least one option of a group has."""
    return set().union(*_keys_of_options(group).values())


def _keys_of_options(group: str) -> dict[str, set[str]]:
    """Return the keys of every option of a group, by `model=mlp`; the keys of `split` count as keys of `data`."""
    groups = ("data", "split") if group == "data" else (group,)
    files = [(name, option) for name in groups for option in _options(name, [CONF])]
    return {f"{name}={option}": _keys(CONF / name / f"{option}.yaml") for name, option in files}


def _keys(path: Path) -> set[str]:
    """Return the keys of a config file, with those of the files in its folder that its defaults name."""
    content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    keys = {str(key) for key in content} - {"defaults", "hydra", "_target_"}
    inherited = [name for name in content.get("defaults", []) if isinstance(name, str) and name != "_self_"]
    return keys.union(*(_keys(path.with_name(f"{name}.yaml")) for name in inherited))
