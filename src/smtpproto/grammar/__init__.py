# SPDX-License-Identifier: MIT
"""One unit of text to one value and back: addresses, parameters, commands, replies.

Knows no state. Verbs and parameters are handed in, so that an extension needs no change here.
"""
