"""Work to be measured, each function run in a process of its own; a module imports at its top what
counts as start-up.
"""
