"""OmegaConf by C code: configurations copied by pickle and written by libyaml.

Hydra copies the configuration of every job four times and writes three files of it, 30 ms in pure Python and 6 so.
Neither library has a setting for it. An OmegaConf that was not tried keeps its own ways, which are only slower.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import omegaconf
import yaml
from omegaconf import DictConfig
from omegaconf._utils import OmegaConfDumper

_copy_by_python = DictConfig.__deepcopy__


class _Dumper(yaml.CDumper):
    """OmegaConf's dumper on libyaml; it too quotes texts that look like numbers or truth values."""


_Dumper.add_representer(str, OmegaConfDumper.str_representer)  # type: ignore[arg-type]


def config_text(config: Mapping[str, object]) -> str:
    """Return a plain configuration as YAML that OmegaConf reads back the same."""
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def quicken() -> None:
    """Let OmegaConf copy by pickle and write by libyaml, in the whole process."""
    if omegaconf.__version__.startswith("2.3."):
        omegaconf.omegaconf.get_omega_conf_dumper = lambda: _Dumper  # type: ignore
        DictConfig.__deepcopy__ = _copy_by_pickle  # type: ignore[method-assign]


def _copy_by_pickle(self: DictConfig, memo: dict[int, object]) -> DictConfig:
    """Copy a node with all below it; the copy has the same parent, as OmegaConf wants it."""
    own = self.__dict__
    children = own["_content"].values() if isinstance(own["_content"], dict) else ()
    if any(child.__dict__["_parent"] is not self for child in children):  # Hydra's own node hangs in two trees
        return _copy_by_python(self, memo)
    parent, own["_parent"] = own["_parent"], None
    try:
        copy: DictConfig = pickle.loads(pickle.dumps(self))
    except (pickle.PicklingError, TypeError, AttributeError):  # an object that only Python can copy
        own["_parent"] = parent
        return _copy_by_python(self, memo)
    finally:
        own["_parent"] = parent
    copy.__dict__["_parent"] = parent
    return copy
