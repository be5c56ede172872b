"""What runs networks: PyTorch in float32 or half precision, CUDA graphs, OpenVINO; one network or one a scale."""
