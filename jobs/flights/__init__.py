"""Flights out of New York in 2013: from raw files to a model and its online features. Start at `pipeline`."""
