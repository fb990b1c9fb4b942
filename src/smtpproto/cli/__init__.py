# SPDX-License-Identifier: MIT
"""The commands of ``python -m smtpproto``: each module has one, and a way to say what it takes.

Decides nothing of SMTP: the commands put the adapters behind options, and events into words.
"""
