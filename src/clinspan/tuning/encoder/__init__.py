"""Tunes an encoder on gold documents to classify tokens: the baseline that prompting is to be seen beside."""
