"""Damaged files on their way into a dataset, or from one step to the next: one line at most comes of them.

sources            small source folders, and which of their files are damaged; also
                   published_sources and tool_sources; source: what they are
artefacts          what the product writes itself, and what reads it; artefact: what they are;
                   answers: what Kubeflow says; requests: what the service is sent
mutations          how, by kind of file: damage (of any file), picture_damage, document_damage,
                   artefact_damage
verdict            what must hold afterwards
worker             a process that tries them, watched from outside
__main__           `python -m tests.fuzz`: thousands of them, by kind and seed
"""
