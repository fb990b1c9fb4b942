# SPDX-License-Identifier: MIT
"""The registry of extensions: declarations and nothing else.

To add one: subclass `Extension` in a module here, and name it in `KNOWN`. Nothing else of the
package changes; tests ask for a sample of it and for its row in docs/.
"""

from .auth import Auth
from .basic import (
    EnhancedStatusCodes,
    Expn,
    Help,
    Pipelining,
    Size,
    StartTLS,
    Vrfy,
)
from .burl import Burl
from .content import BinaryMime, Chunking, EightBitMime, SmtpUtf8
from .declaration import Extension, Move, Row, SessionFacts, Transaction
from .delivery import (
    Deadline,
    DeliverBy,
    FutureRelease,
    HoldLimits,
    MtPriority,
    RequireTLS,
    Rrvs,
    ValidSince,
)
from .dsn import Dsn, EnvelopeId, OriginalRecipient
from .exim import PipeConnect, Prdr, WellKnown
from .legacy import (
    Checkpoint,
    ConNeg,
    ConPerm,
    Mtrk,
    NoSoliciting,
    Onex,
    Submitter,
    Tracking,
    Utf8Smtp,
    Verb,
)
from .limits import AnnouncedLimits, ServerLimits, limits_left
from .postfix import XClient, XForward, XVerp
from .relaying import is_report_due, relayed_mail_parameters, relayed_rcpt_parameters
from .remote import Atrn, Etrn, Turn

KNOWN: tuple[Extension, ...] = (
    Size(),
    EightBitMime(),
    Pipelining(),
    EnhancedStatusCodes(),
    SmtpUtf8(),
    Chunking(),
    BinaryMime(),
    StartTLS(),
    Auth(),
    Dsn(),
    Help(),
    Vrfy(),
    Expn(),
    ServerLimits(),
    RequireTLS(),
    MtPriority(),
    DeliverBy(),
    FutureRelease(),
    Rrvs(),
    Burl(),
    Etrn(),
    Atrn(),
    Turn(),
    XClient(),
    XForward(),
    XVerp(),
    Prdr(),
    WellKnown(),
    PipeConnect(),
    Mtrk(),
    NoSoliciting(),
    Submitter(),
    ConPerm(),
    ConNeg(),
    Checkpoint(),
    Verb(),
    Onex(),
    Utf8Smtp(),
)
"""All of them: what a client understands, and what a server answers 502 to when not offering it."""

__all__ = [
    "KNOWN",
    # how one is declared
    "Extension",
    "Move",
    "Row",
    "SessionFacts",
    "Transaction",
    # the extensions
    "Atrn",
    "Auth",
    "BinaryMime",
    "Burl",
    "Checkpoint",
    "Chunking",
    "ConNeg",
    "ConPerm",
    "DeliverBy",
    "Dsn",
    "EightBitMime",
    "EnhancedStatusCodes",
    "Etrn",
    "Expn",
    "FutureRelease",
    "Help",
    "MtPriority",
    "Mtrk",
    "NoSoliciting",
    "Onex",
    "PipeConnect",
    "Pipelining",
    "Prdr",
    "RequireTLS",
    "Rrvs",
    "ServerLimits",
    "Size",
    "SmtpUtf8",
    "StartTLS",
    "Submitter",
    "Turn",
    "Utf8Smtp",
    "Verb",
    "Vrfy",
    "WellKnown",
    "XClient",
    "XForward",
    "XVerp",
    # what a relay passes on, and reports; what a client may still send
    "is_report_due",
    "limits_left",
    "relayed_mail_parameters",
    "relayed_rcpt_parameters",
    # the values of their parameters
    "AnnouncedLimits",
    "Deadline",
    "EnvelopeId",
    "HoldLimits",
    "OriginalRecipient",
    "Tracking",
    "ValidSince",
]
