# SPDX-License-Identifier: MIT
"""SMTP, ESMTP, submission and LMTP without I/O, for both roles."""

__version__ = "0.1.0"
