"""ONNX models that onnxruntime computes: fitted networks that are no layers of ours."""
