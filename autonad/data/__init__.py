"""Images and masks: reading published layouts, the one on-disk layout, splitting, augmenting, auditing.

Import what you need from the modules; nothing is imported here, so that `autonad --help` stays quick.
"""
