"""Reading what lies on a disk or comes over a wire, and may have been damaged on the way.

Whatever the bytes are, it ends in a value of the form that was asked for, or in `Unreadable` with one short
line.

bounds.py        JSON and YAML as plain values: so large, so deep, numbers that are ones
shape_checks.py  such values with the fields and types that a file must have
table_checks.py  parquet files with the columns, types and ranges that a table must have
"""
