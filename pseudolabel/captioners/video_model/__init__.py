"""The video captioner that `pseudolabel train` makes: TimeSformer and OPT, joined."""
