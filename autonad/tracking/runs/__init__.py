"""A step's run, from its start to its end.

run.py            what a step can do with its run; a run that logs nothing
dataset_facts.py  what a run says about a dataset
made_for.py       which of several detectors a run is of
step_figures.py   pictures and headlines of evaluations and trainings
lifecycle.py      `track`: whose run it is, and how it ends
origin.py         where it comes from: execution, code, image, orchestrator
opening.py        made or continued on a server
mlflow_run.py     the run on a server
parents.py        the parent of an execution: found, kept up to date
outcome.py        how an execution ended, from Kubeflow's word and its steps
ending.py         an execution gets its last status
metric_queue.py   metrics between the step and a server that is slow or away
unsent.py         what the server did not take, sent by whoever reaches it next
machine_load.py   how busy the machine is meanwhile
"""
