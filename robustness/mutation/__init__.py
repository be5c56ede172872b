"""Mutation testing: whether the tests notice small wrong changes to the code."""
