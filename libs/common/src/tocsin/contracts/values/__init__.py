"""What a value must look like: one judge for each kind, the same for every way in.

HTTP (inline and stored), Kafka and recipients found by an expression ask these judges once, where a value comes in. Each returns
the value's canonical form, which records carry from then on, or raises `ValueRefused`. Nobody judges again further on.

Each module loads what it needs, so that a service that judges nothing loads no library: import the module, not the package.
"""

from tocsin.contracts.values.refusal import ValueRefused

__all__ = ["ValueRefused"]
