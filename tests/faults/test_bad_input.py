"""Bad input, in one table: exit code 2, one sentence that helps, and nothing written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

CONFIGS = {
    "broken.yaml": "optimizer:\n  lr: 0.1\n   momentum: 0.9\n",
    "twice.yaml": "# @package _global_\nseed: 1\nseed: 2\n",
    "misspelt.yaml": "# @package _global_\nmodel:\n  hiden: 3\n",
    "nowhere.yaml": "# @package _global_\ndefaults:\n  - override /model: mpl\n",
    "unsafe.yaml": "# @package _global_\nmodel:\n  _target_: subprocess.run\n",
    "letters.yaml": "# @package _global_\ntrainer:\n  batch_size: many\n",
    "packed.yaml": "seed: 3\n",
}

# Words of the command line -> what the sentence must contain, in this order. {own}: the folder of CONFIGS.
BAD = {
    # keys and options that are not there: the nearest name that is
    "optimizer.lrr=0.1": ["'optimizer.lrr'", "did you mean 'optimizer.lr'?"],
    "trainer.batchsize=3": ["'trainer.batchsize'", "did you mean 'trainer.batch_size'?"],
    "model.hiden=5": ["'model.hiden'", "did you mean 'model.hidden'?"],
    "schedule=cosine schedule.lr_max=3": ["'schedule.lr_max'", "only with schedule=cyclic or schedule=range_test"],
    "model.channels=[3]": ["'model.channels'", "only with", "model=cnn"],
    "data.validaton=0.2": ["'data.validaton'", "did you mean 'data.validation'?"],
    "split.validation=0.2": ["'split.validation'", "did you mean 'data.validation'?"],
    "split=defalt": ["split", "'defalt'", "did you mean 'default'?"],
    "optimizer.lr.x=3": ["'optimizer.lr.x'", "'optimizer.lr' is one value"],
    "sed=1": ["unknown key 'sed'", "did you mean 'seed'?"],
    "optimzer=adam": ["unknown key 'optimzer'", "did you mean 'optimizer'?"],
    "optimizer=adamm": ["optimizer", "'adamm'", "did you mean 'adam'?"],
    "data=swissrol": ["data", "'swissrol'", "did you mean 'swissroll'?"],
    "model=": ["model", "valid: audio_cnn"],
    "model=null": ["model", "got null", "valid: audio_cnn"],
    "experiment=kth/ex33": ["experiment", "'kth/ex33'", "did you mean 'kth/ex3'?"],
    "experiment=ex3": ["experiment", "'ex3'", "did you mean 'kth/ex3'?"],
    "+experiment=kth/ex3": ["+experiment", "expected experiment=", "without the '+'"],
    "sweeps=dem": ["sweeps", "'dem'", "did you mean 'demo'?"],
    "task=infoo": ["task", "'infoo'", "did you mean 'info'?"],
    "hydra/launcher=basik": ["hydra/launcher", "'basik'", "did you mean 'basic'?"],
    "hydra.foo=1": ["'hydra.foo'", "labkit --cfg hydra"],
    "+unknown=1": ["unknown key 'unknown'", "valid: data, "],
    "+optimizer.momentum=0.9": ["optimizer", "unknown key 'momentum'", "valid: lr, weight_decay"],
    "+model.hiden=5": ["model", "'hiden'", "did you mean 'hidden'?"],
    "~foo": ["unknown key 'foo'"],
    "~seed": ["seed", "a value is needed"],
    "~optimizer": ["optimizer", "expected", "got null"],
    # values of the wrong type
    "optimizer.lr=abc": ["optimizer.lr", "expected a number", "'abc'"],
    "optimizer.lr=": ["optimizer.lr", "expected a number", "''"],
    "optimizer.lr=null": ["optimizer.lr", "expected a number", "null"],
    "optimizer.lr=???": ["optimizer.lr", "a value is needed"],
    "optimizer.lr=${{foo}}": ["optimizer.lr", "'foo' not found"],
    "optimizer.lr=${{optimizer.lr}}": ["optimizer.lr", "Recursive"],
    "trainer.batch_size=1.5": ["trainer.batch_size", "a whole number", "1.5"],
    "trainer.batch_size=true": ["trainer.batch_size", "a whole number", "true"],
    "trainer.eval_train=0": ["trainer.eval_train", "true or false", "0"],
    "seed=x": ["seed", "at least 0", "'x'"],
    "seed=-1": ["seed", "at least 0", "-1"],
    "seed=null": ["seed", "at least 0", "null"],
    "name=3": ["name", "a text", "3"],
    "lab=null": ["lab", "a text", "null"],
    "lab=''": ["lab", "a text", "''"],
    "targets=abc": ["targets", "a list", "'abc'"],
    "model.layers=3": ["model.layers", "a list", "3"],
    "paths.root=3": ["paths.root", "a path", "3"],
    # out of range
    "optimizer.lr=-1": ["optimizer.lr", "at least 0", "-1"],
    "optimizer.lr=inf": ["optimizer.lr", "a finite number", "inf"],
    "optimizer=momentum optimizer.momentum=2": ["optimizer.momentum", "at most 1", "2"],
    "model.dropout=1.5": ["dropout", "at most 1", "1.5"],
    "loss.l2=nan": ["loss.l2", "a finite number", "nan"],
    "loss.l2=inf": ["loss.l2", "a finite number", "inf"],
    "loss.l2={{linear_1:-1}}": ["loss.l2", "at least 0", "-1"],
    "loss.l2={{linear_9:0.1}}": ["loss.l2", "'linear_9'", "did you mean 'linear_"],
    "data.validation=5000": ["data.validation", "5000", "only 1258"],
    "data.validation=-0.1": ["data.validation", "at least 0", "-0.1"],
    "data.train_size=3": ["data.train_size", "3", "at least 10"],
    "trainer.epochs=0": ["trainer.epochs", "more than 0", "0"],
    "trainer.threads=0": ["trainer.threads", "'auto' or at least 1", "0"],
    "preprocess.shift=9": ["preprocess.shift", "9", "8"],
    "preprocess.pca=1000": ["preprocess.pca", "1000", "64"],
    # one of a few
    "purpose=x": ["purpose", "'comparison' or 'search'", "'x'"],
    "trainer.device=gpu": ["trainer.device", "'auto', 'cpu' or 'cuda'", "'gpu'"],
    "trainer.precision=float16": ["trainer.precision", "'float64'", "'float16'"],
    "schedule=cyclic schedule.step_unit=epoch": ["schedule.step_unit", "'epochs'", "'epoch'"],
    "model.activation=rellu": ["model.activation", "'rellu'", "did you mean 'relu'?"],
    "model.layers=[{{linaer:{{units:3}}}}]": ["model.layers[0]", "'linaer'", "did you mean 'linear'?"],
    "model.layers=[{{linear:{{unit:3}}}}]": ["model.layers[0].linear", "'unit'", "did you mean 'units'?"],
    # combinations that cannot be
    "model.skips=[[1,2]]": ["model.skips", "[1, 2]", "(64,) and (32,)"],
    "model.skips=[[1,9]]": ["model.skips", "[1, 9]", "3"],
    "model.skips=[[1]]": ["model.skips", "[1]"],
    "model.layers=[{{linear:{{units:3}}}}]": ["model", "(3,)", "(10,)"],
    "model.max_parameters=10": ["model.max_parameters", "6570", "10"],
    "model.max_hidden_units=10": ["model.max_hidden_units", "96", "10"],
    "schedule=cyclic trainer.epochs=3": ["trainer.epochs", "schedule=cyclic"],
    "schedule=cyclic schedule.step_unit=epochs trainer.batch_size=5000": ["trainer.batch_size", "5000", "1132"],
    "schedule=cyclic schedule.lr_min=1": ["schedule.lr_min", "1.0", "schedule.lr_max 0.1"],
    "trainer.epochs=3 trainer.steps=3": ["trainer.steps", "trainer.epochs"],
    "trainer.eval_every=5/epochs": ["trainer.eval_every", "'1/epoch'", "'5/epochs'"],
    "trainer.eval_every=10/cycle": ["trainer.eval_every", "cycles", "constant"],
    "trainer.patience=3 data.validation=0": ["trainer.patience", "data.validation"],
    "model=cnn data=spirals": ["conv2d", "(channels, height, width)", "(2,)"],
    "model=char_rnn": ["embedding", "texts"],
    "data=tones data.samples=200 preprocess.mirror=0.5": ["preprocess.mirror", "images", "tones"],
    # constructors that nobody allowed
    "model._target_=os.system": ["model._target_", "'os.system'", "labkit.models.network.layers"],
    "model._target_=builtins.open": ["model._target_", "'builtins.open'", "labkit.models.network.layers"],
    "optimizer._target_=torch.load": ["optimizer._target_", "'torch.load'", "labkit.optim.rules.sgd"],
    "optimizer._target_=labkit.optim.rules.sdg": ["did you mean 'labkit.optim.rules.sgd'?"],
    "task._target_=os.system": ["task._target_", "'os.system'"],
    "model._target_=my.thing targets=[my.thing]": ["model._target_", "'my.thing'", "No module named 'my'"],
    "model._target_=json.nope targets=[json.nope]": ["model._target_", "'json.nope'", "'nope'"],
    # files
    "data=cifar10 data.download=false paths.data={own}": ["{own}/cifar-10-binary.tar.gz is missing", "download"],
    "data=table paths.data={own}": ["{own}/table.csv is missing"],
    "data=table paths.data={own} data.file=experiment/twice.yaml": ["twice.yaml", "'.yaml'", ".csv or .npz"],
    "paths.root=/dev/null": ["paths.root", "a folder", "/dev/null"],
    "-cd {own} experiment=broken": ["broken.yaml, line 3", "no YAML"],
    "-cd {own} experiment=twice": ["twice.yaml, line 3", "duplicate key seed"],
    "-cd {own} experiment=misspelt": ["model", "'hiden'", "did you mean 'hidden'?"],
    "-cd {own} experiment=nowhere": ["model", "'mpl'", "did you mean 'mlp'?"],
    "-cd {own} experiment=unsafe": ["model._target_", "'subprocess.run'"],
    "-cd {own} experiment=letters": ["trainer.batch_size", "a whole number", "'many'"],
    "-cd {own} experiment=packed": ["experiment", "first line", "# @package _global_"],
    "-cd {own} experiment=mispelt": ["experiment", "'mispelt'", "did you mean 'misspelt'?"],
    "-cd nowhere": ["--config-dir", "nowhere"],
    "--config-name nope": ["--config-name", "'nope'"],
    # words
    "optimizer.lr=0.1,0.2": ["optimizer.lr=0.1,0.2", "add -m"],
    "model=mlp,cnn": ["model=mlp,cnn", "add -m"],
    "optimizer.lr": ["'optimizer.lr'", "key=value"],
    "optimizer.lr=[0.1": ["'optimizer.lr=[0.1'", "key=value"],
    "=3": ["'=3'", "key=value"],
    # other tasks
    "task=info task.samples=0": ["task.samples", "at least 1", "0"],
    "task=info model=cnn data=spirals": ["conv2d", "(2,)"],
    "task=compare task.metric=3": ["task.metric", "a text", "3"],
    "task=compare": ["no runs", "mlflow.db"],
    # a multirun: all jobs are checked before the first
    "-m optimizer.lr=0.1,0.2,0.3,-1": ["job 3 (optimizer.lr=-1)", "optimizer.lr", "at least 0", "-1"],
    "-m model=mlp,mpl": ["job 1 (model=mpl)", "did you mean 'mlp'?"],
    "-m seed=0,1 trainer.batch_size=8,no": ["job 1 (seed=0 trainer.batch_size=no)", "trainer.batch_size"],
    "-m optimizer.lrr=1,2": ["'optimizer.lrr'", "did you mean 'optimizer.lr'?"],
    "sweeps=demo loss.l2=0,-1": ["loss.l2=-1", "loss.l2", "at least 0"],
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of configs, each wrong in its own way, and no data."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "experiment").mkdir()
    for name, text in CONFIGS.items():
        (folder / "experiment" / name).write_text(text)
    return folder


def check(answer: Any, fragments: list[str]) -> None:
    assert answer.code == 2, answer.err
    assert answer.err.startswith("labkit: ")
    assert answer.err.count("\n") == 1, "one line"
    assert answer.err.rstrip().endswith((".", "?"))
    place = 0
    for fragment in fragments:
        place = answer.err.find(fragment, place)
        assert place >= 0, f"{fragment!r} is missing in {answer.err!r}"
    assert answer.out == ""
    assert answer.files == [], "nothing is written"


def test_the_table_is_long_enough() -> None:
    assert len(BAD) >= 35


@pytest.mark.parametrize("words", BAD)
def test_bad_input_ends_in_one_sentence(words: str, labkit: Any, own: Path) -> None:
    given = [word.format(own=own) for word in words.split()]
    check(labkit(*given), [fragment.format(own=own) for fragment in BAD[words]])


def test_a_bad_job_3_stops_a_multirun_before_job_0(process: Any, tmp_path: Path) -> None:
    answer = process("-m", "optimizer.lr=0.1,0.2,0.3,-1", cwd=tmp_path)
    check(answer, ["job 3 (optimizer.lr=-1): optimizer.lr: expected at least 0, got -1."])


def test_a_process_ends_with_the_sentence_too(process: Any, tmp_path: Path) -> None:
    check(process("experiment=kth/ex33", cwd=tmp_path), ["did you mean 'kth/ex3'?"])


def test_traces_are_there_for_who_asks(labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.errors import ConfigCompositionException

    from labkit import cli

    assert labkit("optimizer.lrr=1").code == 2
    monkeypatch.setattr(sys, "argv", ["labkit", "optimizer.lrr=1"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigCompositionException):
        cli.main()


@pytest.mark.parametrize("words", ["optimizer.lr=-1", "model=mpl", "sed=1", "model=null", "data.validation=5000"])
def test_run_raises_what_the_command_says(
    words: str, labkit: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from labkit import ConfigError, run

    with pytest.raises(ConfigError) as caught:
        run(*words.split(), quiet=True)
    assert labkit(*words.split()).err == f"labkit: {caught.value}\n"
