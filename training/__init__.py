"""Torch side: the network, the online trainer, and the flights that train it."""
