"""What runs on the line, with the base install alone. An image passes through these modules in this order.

engine          the whole way: an image in, its mask, defects and verdict out
spec            what a network needs to be used
tiles           large images: cutting and joining
fitting         an image in the network's input, and back
resizing        to another size, as OpenCV does
normalise       pixels as the network's numbers
session         the network in ONNX Runtime, and what its file says
resample        logits at another size
joining         logits of an image or its tiles, at the image's own size
components      connected regions and their measures
rules           what counts as a defect
judged          OK, REVIEW or NG, with reasons

Around it, for many images:

image_sources   a file, a folder, a bucket
image_names     which files there are images
working         workers, and the thread that keeps the books; watching
outputs         masks, overlays, probabilities
csv_files       the two tables
finished        what is done
keeping         from the line back: what a person should see
backlog         keeping that holds up nobody
kept            how it lies there
informative     what to label first
looks           what an image looks like, in figures that tell images apart
levels          greys and colours in figures, which `decide` compares too
"""
