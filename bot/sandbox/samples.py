"""Mails to try the sandbox with: each shows one thing that Parley does."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SampleMail:
    """A mail a person might write; `shows` says what to look out for.

    `{9}` in its text is the day nine days before it is sent.
    """

    name: str
    title: str
    shows: str
    sender: str
    subject: str
    text: str

    def written(self, now: datetime) -> str:
        """The text as somebody would write it at `now`."""

        def day(found: re.Match[str]) -> str:
            then = now - timedelta(days=int(found[1]))
            return f"{then:%A, %B} {then.day}"

        return re.sub(r"\{(\d+)\}", day, self.text)


SAMPLES = (
    SampleMail(
        "payment",
        "Payment dispute, complete",
        "A case with everything in it: the receipt says when the client is written to.",
        "dana@worker.example",
        "Payment for assignment 4471829360 not approved",
        "Hello,\n\n"
        "I finished assignment 4471829360 and the client has still not approved the payment.\n\n"
        "On {12} I sent Priya a message on the platform and asked her to approve the work.\n"
        "On {10} I called her office and left a voicemail.\n"
        "On {6} I wrote again. There was no answer to any of it.\n\n"
        "Please help me get this approved.\n\n"
        "Dana Reyes\n",
    ),
    SampleMail(
        "rating-vague",
        "Rating dispute, vague",
        "Too little to go on: Parley asks for the worker's own explanation, and for the assignment.",
        "marcus@worker.example",
        "Unfair rating",
        "Hi,\n\nI got a bad rating from a client last week and it is not fair. Please remove it.\n\nMarcus\n",
    ),
    SampleMail(
        "rating",
        "Rating dispute, explained",
        "Complete from the worker's side: the client is asked for their view after the pause.",
        "aisha@worker.example",
        "Disputing my rating on 4471831947",
        "Hello,\n\n"
        "I want to dispute the rating of 2 stars on assignment 4471831947. The client wrote that I arrived late and "
        "left without testing.\n\n"
        "I checked in at 8:55 for a 9:00 start; the check-in is in the app. I replaced the access point, ran the speed "
        "test with the site contact and sent both photos before I left at 11:20.\n\n"
        "I asked Tom on {4} to change the rating, and he said no.\n\n"
        "Aisha Khan\n",
    ),
    SampleMail(
        "both",
        "Rating and payment in one mail",
        "Two linked cases, each with its own letter.",
        "jorge@worker.example",
        "Assignment 4471833520: payment refused and a bad rating",
        "Hello,\n\n"
        "On assignment 4471833520 the client gave me 1 star and also refuses to approve my payment of $95.\n\n"
        "On {6} I sent the client a message to ask why, on {4} I called. Ruth told me the cable was left "
        "loose. That is wrong: I fixed the cable to the rack and took a photo of it at 2:15 pm.\n\n"
        "I want the rating reviewed and the payment approved.\n\n"
        "Jorge Medina\n",
    ),
    SampleMail(
        "question",
        "No dispute at all",
        "Left for people: no case, no answer.",
        "linh@worker.example",
        "How do ratings work?",
        "Hi,\n\nhow long does a rating stay on my profile, and who can see it?\n\nThanks,\nLinh\n",
    ),
    SampleMail(
        "out-of-office",
        "An out-of-office",
        "Automatic mail is never answered.",
        "priya@northwind.example",
        "Automatic reply: out of office",
        "I am out of the office until Thursday and will answer when I am back.\n\nPriya Nair\n",
    ),
)
