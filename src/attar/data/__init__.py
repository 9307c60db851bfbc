"""From files to curated splits: read, find near-duplicates, split, curate."""
