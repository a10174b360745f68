"""Tuning: LoRA adapters trained on pairs of a window and its TANL answer, exported for llama.cpp."""
