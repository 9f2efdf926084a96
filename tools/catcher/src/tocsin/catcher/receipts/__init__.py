"""Receipts that can be played: what a provider would tell of a caught message, in its form and with its proof. One file for each provider."""

from .playing import NotPlayed, Played, Receipts

__all__ = ["NotPlayed", "Played", "Receipts"]
