"""Sizes, FLOPs, budgets and schedules: plain arithmetic that needs nothing but the standard library."""
