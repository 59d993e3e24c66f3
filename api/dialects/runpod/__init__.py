"""Speak RunPod's serverless protocol under /v2."""
