"""`make bench`: how fast, as ratios of CPU times taken alternately within one run."""
