"""Backends that run networks: PyTorch in float32 or half precision, CUDA graphs, and OpenVINO."""
