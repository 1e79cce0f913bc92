"""Sanity: what looks wrong in images, masks and splits although every file can be read.

An import, a batch and an audit ask the same questions, with the same words and severities.

measures       what is measured once per image, when it is read
edges          do the borders of defects lie where the image changes?
image_checks   what looks wrong in single images, judged against all of them
mask_checks    what looks wrong in the masks as a set
split_checks   what training, validation and test lack
judging        all of these, in their order
"""
