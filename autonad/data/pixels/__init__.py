"""Files to pixels, without guessing: a whole set decides how each of its files is read, and that is said.

orientation     which way up an image is, by its EXIF
containers      one file: what its header says, and its samples as they are stored
deep_samples    samples of more than 8 bits that Pillow would cut
byte_halves     the same without OpenCV, where that can be done
usual_files     files of which the first bytes say enough
half_floats     TIFFs of half-precision floats
scaling         samples of any depth to 8 bits
image_survey    how the images of a set are stored, and what follows for reading them
image_files     one image to 8 bits
mask_files      one mask file, not interpreted
mask_survey     which values, colours and alphas the masks of a set hold
kept_masks      masks decoded for that, so that they are not decoded twice
mask_reading    what decides in a mask, and what its values mean
painted_masks   masks of a few values or colours that are no indices
mask_decision   that, told from a survey
lossy_masks     values that lossy compression has blurred
labelling       one mask to class indices
drawn_on        whether masks were drawn on turned images or on the pixels as stored
pixel_reading   how a set is read: what a dataset remembers, and how it is said
pixel_options   what a user states instead
"""
