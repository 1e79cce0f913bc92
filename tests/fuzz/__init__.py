"""Damaged files on their way into a dataset: nothing but one clear line may come of them.

sources    small source folders, and which of their files are damaged
mutations  how: whatever happens to any file, and what only a certain kind of file can suffer
verdict    what must hold afterwards
worker     a process that tries them, watched from outside
__main__   `python -m tests.fuzz`: thousands of them, by kind and seed
"""
