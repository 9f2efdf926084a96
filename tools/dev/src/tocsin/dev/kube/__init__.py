"""A real Kubernetes API server on this machine, without a cluster behind it, and what it says of deploy/k8s."""

from tocsin.dev.kube.go_programs import kustomize
from tocsin.dev.kube.rendering import OVERLAYS, render

__all__ = ["OVERLAYS", "kustomize", "render"]
