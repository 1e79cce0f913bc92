"""Annotation files of labelling tools: shapes and runs of pixels in, index masks out, and back.

marks         what a tool draws: polygons, ellipses, runs, stamps, brushes
rle           runs of pixels in the encodings of COCO, CVAT, Kaggle's tables and Label Studio
raster        which pixels a shape covers, and which shape wins
sketch        the shapes of one image as a mask
documents     JSON, XML, YAML and text that somebody else wrote, within limits
matching      which image an annotation file means
labelme, coco, yolo, cvat, label_studio
              a reader each
outlines      the outlines of a mask, along the edges of its pixels
exporting     a dataset as annotations for a labelling tool: coco_writer, labelme_writer
"""
