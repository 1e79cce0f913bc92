"""Everything that is drawn or written for people: charts, pages, the model card."""
