# SPDX-License-Identifier: MIT
"""Values to events and back: the state machine, the same table for both roles."""
