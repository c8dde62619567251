"""`make bench-sweeps`: the same sweeps by labkit and by what a user would pick instead.

work.py       what is swept                    start.py      what all trials share: split, weights, batches
dataset.py    real files to arrays             measures.py   losses and confusion matrices to metrics
tracking.py   the MLflow store of a peer       peer.py       what a peer is told and what it reports
torch_loop.py, optuna_jobs.py, hydra_joblib.py, jax_vmap.py, sklearn_mlp.py, labkit_command.py    one peer each
rounds.py     fresh processes in turn          verdict.py    whether all did the same work      table.py   medians
"""
