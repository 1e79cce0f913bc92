"""Does a new batch look like the images that the search was made on?

Import from the modules themselves; nothing here needs torch.
"""
