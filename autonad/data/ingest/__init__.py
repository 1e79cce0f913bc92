"""The one way into a dataset. A batch passes through these modules in this order; an import leaves some out.

extending   a batch into a dataset: the whole way, under a lock
importing   a layout into a new dataset: the same way without listing, fetching and ledger
sources     opens a source: lists it, and decides how its pixels are read
settings    how images are read and split; what an import and a batch do differently
changes     first: completes or takes back what an earlier ingest left half done
listing     what of a batch is new
staging     where its files wait
reading     fetches and reads them
ordering    in several threads, in order
digest      one image with its mask, read
findings    what is found in them (and what is doubted: autonad.data.sanity)
arrivals    what the batch has brought so far, to find images that come with two masks
merge       decides: a new row, a mask for a waiting one, a copy, or quarantine
rows        the manifest while it changes
deliveries  which file became what
quarantine  files kept apart, with reasons
placing     groups and splits of everything new: the next manifest
grouping    which images show one part
joins       joining them one by one, as far as stated groups and splits allow
own_split   the split that a source has already
changes     last: the dataset changes in one step
ledger      what it remembers of batches and their files
"""
