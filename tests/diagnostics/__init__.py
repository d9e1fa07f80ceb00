"""Tests of unitgain.diagnostics."""
