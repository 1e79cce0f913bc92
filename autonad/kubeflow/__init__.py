"""Kubeflow: what a task does around its step, and how pipelines are run, uploaded and scheduled.

Importing this package imports nothing; kfp is imported by `local`, `access` and `client` alone.

    supervisor.py  starts a task's process again when it has died
    pod_memory.py  the pod's memory, as its control group counts it
    tasks.py       around the step in a pod: configuration, console, one clear line when it fails
    closing.py     what a pipeline does last: the execution's status, and the page of the run
    display.py     what the interface shows of a step
    package.py     compiled pipelines, their parameters and image
    local.py       a pipeline on this machine
    access.py      the way to a server: address, login, what it means when it refuses
    client.py      pipelines on a server: upload, run, schedule, list, wait
"""
