"""What MLflow remembers: executions, the last search, and what of it may go.

executions.py    executions, found by name or by age
run_reader.py    what one of them was, read for a comparison
run_report.py    what one of them was, read for the page of the run
durations.py     how long the steps of a dataset took
searches.py      which search was the last one
search_files.py  its files, sent and brought back
retention.py     what is kept, and what may go
leftovers.py     what may go, its size, its removal
"""
