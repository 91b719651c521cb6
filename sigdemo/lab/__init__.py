"""The lab: the same work sent six ways, measured side by side."""
