"""What the script of a report says, in the catalogue of the pages. It fills in what stands in braces itself."""

from services.console.page import TEXTS

_ = TEXTS.gettext

WORDS = {
    "step": _("Question {number} of {count}"),
    "problem": _("There is a problem"),
    "error": _("Error"),
    "change": _("Change"),
    "nobody": _("Nobody named"),
    "kept": _("Kept on this phone at {time}. Not sent yet."),
    "not_kept": _("This browser cannot keep it: do not close the page before it is sent."),
    "sending": _("Sending."),
    "waiting": _(
        "Waiting for signal. It is kept on this phone and nobody has been told yet. It is sent by itself once there is signal and"
        " Plumbline is open. If anybody is in danger, telephone."
    ),
    "no_signal": _(
        "There is no signal. You can write your report: it is kept on this phone and sent once there is signal."
    ),
    "sign_in": _("Waiting for you to sign in: your session has ended. It is kept on this phone."),
    "sign_in_link": _("Sign in, then it is sent"),
    "sent": _("Sent. Your report is in."),
    "read": _("What happens next"),
    "begun": _("Begun, last changed at {time}."),
    "waits": _("Finished at {time}, waits to be sent."),
    "mend": _("Could not be sent at {time}: something is to be mended."),
    "go_on": _("Go on with it"),
    "discard": _("Throw it away"),
    "sure": _("Throw this report away? It was not sent."),
}
