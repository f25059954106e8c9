"""Explanations of ONNX models."""
