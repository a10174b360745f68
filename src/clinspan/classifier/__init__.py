"""Token classification: an encoder's tag for every word of a window, and the mentions these tags mean together."""
