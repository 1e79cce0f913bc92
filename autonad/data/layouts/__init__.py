"""Readers of layouts: folders of images and masks, published sets, and what tools write.

formats         their list, and how each is recognised
tree            the files of a source, walked once, without what may not be read
layout          what a reader returns
mask_folders    images/ and masks/
image_table     a csv file of images and masks
published       NEU, magnetic tiles, NEU_Seg
voc_folders     Pascal VOC, labelme2voc, CVAT's masks
mvtec           MVTec AD, VisA
beside          masks beside their images
severstal       runs of pixels in a csv file
supervisely     DATASET/img and DATASET/masks_machine
pairing         which mask belongs to which image
colour_masks    masks whose colours a list explains
interpreting    what the values in masks mean
turning         which way up images are, told by their masks
groups_table    groups.csv
published_split the split that a source has already
naming          names in tables and lists, and the images that they mean
accounting      what becomes of the files that no record uses
decoding        records, read
"""
