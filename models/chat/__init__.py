"""Chat models (HTTP, vLLM, replay), the journal of their replies, and the dispatcher over both."""
