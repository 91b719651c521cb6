"""The lab: the same work sent seven ways, measured side by side."""
