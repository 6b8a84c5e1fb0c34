"""The positive control of an ablation: a generated task whose reasoning intensity is known."""
