"""Weights of four and eight bits: how they are asked for, read and written."""
