"""The house as design.md draws it: who may import whom, what is allowed of torch, and what a TAB may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import torch

from labkit.tracking import tag

PACKAGE = Path(__file__).resolve().parents[1] / "labkit"
FILES = sorted(PACKAGE.rglob("*.py"))
# A package may import from those before it; `tasks` come last, since the entrypoint finds them by name.
ORDER = (
    "version",
    "cache",
    "standard_streams",
    "disk",
    "process",
    "own_code",
    "shipped",
    "config",
    "limits",
    "bounded_yaml",
    "permissions",
    "data",
    "preprocess",
    "nn",
    "models",
    "optim",
    "metrics",
    "engine",
    "tracking",
    "search",
    "report",
    "checks",
    "principles",
    "quick_omegaconf",
    "words",
    "compose",
    "runs",
    "multirun",
    "cli",
    "notebook",
    "labs",
    "tasks",
    "plugins",
)

# Of torch itself: where from (a namespace is never allowed as a whole).
PLUMBING = (
    "Tensor Generator device dtype float32 float64 bfloat16 int64 bool inf nan no_grad enable_grad "
    "get_num_threads set_num_threads backends.cudnn.flags cuda.is_available cuda.get_device_name cuda.synchronize "
    "cuda.mem_get_info"
)
CREATION = "tensor from_numpy zeros zeros_like ones ones_like full full_like empty empty_like arange stack cat"
DRAWS = "rand randn randint randperm bernoulli normal"
PRODUCTS = "matmul mm bmm addmm baddbmm einsum"
ARITHMETIC = "exp exp2 log sqrt abs maximum minimum where clamp reciprocal addcmul addcdiv div square sub lerp eq gt lt"
REDUCTIONS = "sum mean amax amin argmax bincount isfinite all any logical_and logical_or argsort"
TORCH = {
    name: PACKAGE.name
    for names in (PLUMBING, CREATION, DRAWS, PRODUCTS, ARITHMETIC, REDUCTIONS)
    for name in names.split()
}
# autograd's own backward pass, and the curve of one schedule, are allowed in their own place only.
TORCH |= {
    "autograd.grad": "labkit/nn labkit/engine labkit/checks",
    "ops.aten.convolution_backward": "labkit/nn",
    "cos": "labkit/optim",
}
FUNCTIONAL = {"conv1d", "conv2d", "max_pool1d", "max_pool2d", "embedding", "linear", "unfold", "pad"}

# Of a tensor. A name that is a method of torch.Tensor and not here is forbidden, whatever the object is.
METHODS = """
    abs add_ sub_ mul mul_ div div_ neg neg_ exp exp_ exp2 exp2_ log sqrt sqrt_ square square_ reciprocal reciprocal_
    clamp clamp_ addcmul addcmul_ maximum minimum where pow
    sum mean std var amax amin max min argmax argmin argsort any all isfinite count_nonzero nonzero bincount
    matmul mm bmm baddbmm addmm addmm_
    view view_as reshape flatten unflatten expand transpose permute movedim squeeze unsqueeze flip unbind stack unfold
    narrow diagonal select split chunk contiguous T
    gather scatter_add_ scatter_ index_select index_add_ index_copy_ masked_fill copy_ fill_ zero_ clone detach
    new_empty new_full new_ones new_zeros to cpu cuda float double bfloat16 int long bool numpy tolist item
    dtype device shape ndim dim size numel element_size data requires_grad requires_grad_ data_ptr is_cuda
"""
# Methods of tensors by name only: what our own objects, numpy and strings are asked for.
NAMESAKES = "backward stride index name names layout put values absolute type"
ALLOWED_METHODS = {*METHODS.split(), *NAMESAKES.split()}
FORBIDDEN = {name for name in dir(torch.Tensor) if not name.startswith("_")} - ALLOWED_METHODS


def module_name(path: Path) -> str:
    """`labkit.data.idx`, and `labkit.data` for its `__init__`."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; imports for the type checker only are none."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {inner for statement in node.body for inner in ast.walk(statement)}
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = PACKAGE.parent / Path(*f"{node.module}.{alias.name}".split("."))
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else str(node.module)


@cache
def graph() -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {module_name(path): set(imported(ast.parse(path.read_text()))) for path in FILES}


def house(module: str) -> str:
    """The room of a module; the package itself is a public list, above everything that it names."""
    _, *inner = module.split(".")
    return inner[0] if inner else "__init__"


def test_imports_go_downwards() -> None:
    upward = [
        f"{module} imports {wanted}"
        for module, names in graph().items()
        for wanted in names
        if wanted.startswith("labkit.")
        and house(module) not in ("__main__", "__init__")
        and ORDER.index(house(wanted)) > ORDER.index(house(module))
    ]
    assert not upward


def test_there_are_no_import_cycles() -> None:
    own = {module: {name for name in names if name in graph()} for module, names in graph().items()}
    try:
        list(TopologicalSorter(own).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_module_has_a_place_and_a_speaking_name() -> None:
    for path in FILES:
        relative = path.relative_to(PACKAGE)
        assert relative.stem not in {"utils", "util", "common", "helpers", "helper", "misc"}, relative
        assert relative.parts[0].removesuffix(".py") in {*ORDER, "__init__", "__main__", "plugins"}, relative


# Whoever knows the store's own words: all others ask by name and read attributes.
STORE = re.compile(r"tags\.`|attributes\.(status|start_time|run_id)|\[['\"](tags|params|metrics|run_id)['\"]\]")


def store_words(source: str) -> list[str]:
    """Return what a file above `tracking` says in the store's own words: names of tags, filters, rows by key."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    told = {value for key, value in vars(tag).items() if key.isupper()}
    names = [text for text in texts if isinstance(text, str) and (text in told or text.startswith("mlflow."))]
    return [*names, *(found[0] for found in STORE.finditer(source))]


@pytest.mark.parametrize("path", [f for f in FILES if house(module_name(f)) != "tracking"], ids=module_name)
def test_only_tracking_knows_the_words_of_the_store(path: Path) -> None:
    assert not store_words(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        'row.tags.get("labkit.stage")',
        "row.tags['mlflow.parentRunId']",
        "tracker.find(f\"tags.`{name}` = '{value}'\")",
        "tracker.find('attributes.status = 1')",
        'row["params"]["seed"]',
    ],
)
def test_a_planted_word_of_the_store_is_found(source: str) -> None:
    assert store_words(source)


def torch_uses(source: str, place: str) -> list[str]:
    """What a file takes from torch and must not, one line each.

    Args:
        source: its text.
        place: its folder, `labkit/nn`.
    """
    tree = ast.parse(source)
    wrong = [f"import of {name}" for name in _foreign_imports(tree)]
    touches_tensors = "Tensor" in source or "import torch" in source
    others = _other_modules(tree)
    judged: set[ast.AST] = set()
    for node in ast.walk(tree):  # outer attributes come before inner ones
        if isinstance(node, ast.Attribute) and node not in judged:
            chain = _chain(node)
            if chain is not None and chain[0] in ("torch", "functional"):
                judged |= set(ast.walk(node))
                wrong += _judge(chain, place)
            elif node.attr in FORBIDDEN and touches_tensors and (chain is None or chain[0] not in others):
                wrong.append(f".{node.attr}")
        elif isinstance(node, ast.Name) and node.id in ("torch", "functional") and node not in judged:
            wrong.append(f"{node.id} as a value")  # getattr(torch, ...), vars(torch), f = functional
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            name = node.args[1]
            if isinstance(name, ast.Constant) and name.value in FORBIDDEN:
                wrong.append(f"getattr {name.value}")
        elif isinstance(node, ast.Constant) and str(node.value).startswith(("torch.", "aten::")):
            wrong.append(f"the name {node.value!r}")
    return wrong


def _foreign_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in ("torch", "torchvision") and (alias.name != "torch" or alias.asname):
                    yield alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("torch", "torchvision"):
            for alias in node.names:
                fine = (node.module, alias.name, alias.asname)
                if fine not in {("torch", "Tensor", None), ("torch.nn", "functional", None)}:
                    yield f"{node.module}.{alias.name}"


def _chain(node: ast.Attribute) -> list[str] | None:
    """`torch.ops.aten.x` as its parts; None where the attribute belongs to something computed."""
    names: list[str] = []
    part: ast.expr = node
    while isinstance(part, ast.Attribute):
        names.append(part.attr)
        part = part.value
    return [part.id, *reversed(names)] if isinstance(part, ast.Name) else None


def _judge(chain: list[str], place: str) -> list[str]:
    root, *names = chain
    dotted = ".".join(names)
    if root == "functional":
        return [] if dotted in FUNCTIONAL else [f"functional.{dotted}"]
    prefixes = [".".join(names[:length]) for length in range(len(names), 0, -1)]
    known = next((name for name in prefixes if name in TORCH), None)
    if known is None or FORBIDDEN & set(names[known.count(".") + 1 :]):
        return [f"torch.{dotted}"]
    allowed = TORCH[known]
    inside = any(f"{place}/".startswith(f"{folder}/") for folder in allowed.split())
    return [] if inside else [f"torch.{dotted} outside {allowed}"]


def _other_modules(tree: ast.AST) -> set[str]:
    """Names in a file that stand for modules which are not torch's, such as `np`."""
    aliases = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {alias.asname or alias.name.split(".")[0] for alias in aliases} - {"torch"}


@pytest.mark.parametrize("path", [f for f in FILES if "torch" in f.read_text()], ids=module_name)
def test_torch_gives_only_what_the_labs_permit(path: Path) -> None:
    place = str(path.parent.relative_to(PACKAGE.parent))
    # The version of torch is provenance, not a computation.
    wrong = [use for use in torch_uses(path.read_text(), place) if use != "the name 'torch.__version__'"]
    assert not wrong


PLANTED = {
    "import torch.nn as nn": "import of torch.nn",
    "from torch import nn": "import of torch.nn",
    "from torch.nn.functional import softmax": "import of torch.nn.functional.softmax",
    "from torch.nn import functional as F": "import of torch.nn.functional",
    "import torch as t": "import of torch",
    "import torch\ntorch.optim.SGD([])": "torch.optim.SGD",
    "import torch\ny = torch.softmax(x, 1)": "torch.softmax",
    "import torch\ny = torch.nn.functional.relu(x)": "torch.nn.functional.relu",
    "import torch\ny = torch.special.expit(x)": "torch.special.expit",
    "import torch\ny = torch.ops.aten.relu(x)": "torch.ops.aten.relu",
    "import torch\ny = torch.Tensor.softmax(x, 1)": "torch.Tensor.softmax",
    "from torch import Tensor\ny = Tensor.sigmoid(x)": ".sigmoid",
    "import torch\ny = getattr(torch, 'soft' + 'max')": "torch as a value",
    "import torch\ng = torch.autograd.grad(y, x)": "torch.autograd.grad outside labkit/nn labkit/engine labkit/checks",
    "from torch.nn import functional\ny = functional.cross_entropy(x, t)": "functional.cross_entropy",
    "from torch.nn import functional\nf = functional": "functional as a value",
    "from torch import Tensor\ndef f(x: Tensor): return x.softmax(1)": ".softmax",
    "from torch import Tensor\ndef f(x: Tensor): return x.sigmoid()": ".sigmoid",
    "from torch import Tensor\ndef f(x: Tensor): return (x + 1).tanh_()": ".tanh_",
    "from torch import Tensor\ndef f(x: Tensor): return x.relu()": ".relu",
    "from torch import Tensor\ndef f(x: Tensor): return x.logsumexp(0)": ".logsumexp",
    "from torch import Tensor\ndef f(x: Tensor): return getattr(x, 'tanh')()": "getattr tanh",
    "import importlib\nimportlib.import_module('torch.nn')": "the name 'torch.nn'",
}


@pytest.mark.parametrize("source", PLANTED)
def test_a_planted_use_is_found(source: str) -> None:
    assert PLANTED[source] in torch_uses(source, "labkit/models")


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"torch", "mlflow", "sklearn", "matplotlib", "scipy", "pandas", "pooch", "numpy"}
    script = "import sys, labkit.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
