"""ReMixer: synthesis of training data in which the source document is never the answer."""
