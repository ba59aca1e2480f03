"""Spam: the rules that hear fraud, phishing, cold sales and bulk offers, each with its weight."""

import re
from collections.abc import Iterable

from bot.flows.triage.claims import Told
from bot.flows.triage.passages import compiled
from bot.flows.triage.values import Reason

_SPAM = tuple(
    (tuple(near.split("|")), weight, pattern)
    for near, weight, pattern in (
        (
            "seo|backlink|guest post|google",
            2.2,
            (
                r"\b(?:seo (?:services?|expert|agency)|backlinks?|guest posts?|"
                r"rank(?:ing)? (?:#?1 )?on google|first page of google)\b"
            ),
        ),
        (
            "verify|confirm|suspend|click",
            1.6,
            (
                r"\b(?:verify|confirm|validate|update) your (?:\w+ )?(?:account|identity|password|mailbox|"
                r"details|payment)\b"
            ),
        ),
        (
            "account|suspended|payment",
            1.2,
            (
                r"\byour (?:account|mailbox|payment|access) (?:will be|has been|is|was) (?:closed|"
                r"suspended|limited|locked|on hold|deactivated)"
            ),
        ),
        ("unusual", 1.4, r"\bunusual (?:activity|sign-?in|login)"),
        ("click", 1.0, r"\bclick(?:ing)? (?:the |this |on |here|below)"),
        (
            "minute|demo|schedule a call|call this week",
            1.4,
            (
                r"\b(?:15|10|20|fifteen|ten|quick)[- ]minutes? (?:call|chat|demo)|\bschedule a (?:call|"
                r"demo|meeting)\b|\bqualified (?:demos|leads)\b|\bworth a .{0,20}call"
            ),
        ),
        (
            "we offer|we provide|we are a|our services|i help|we help",
            1.2,
            (
                r"\b(?:we (?:offer|provide|are a (?:leading|manufacturer|professional|company))|"
                r"our services|(?:i|we) help (?:companies|businesses|marketplaces|brands)\b)"
            ),
        ),
        (
            "outsourc|web development|app development|/hour",
            1.4,
            r"\b(?:outsourc\w+|web (?:design|development)|mobile app development)\b",
        ),
        (
            "not interested|unsubscribe|opt out|reply stop",
            1.0,
            r"\bnot interested,? (?:just )?reply|\bunsubscribe\b|\bopt[- ]?out\b|\breply stop\b",
        ),
        (
            "came across|noticed your",
            1.0,
            r"\b(?:i|we) (?:came across|noticed|visited) your (?:website|company|site|profile)",
        ),
        (
            "lottery|inherit|deceased|beneficiary|next of kin|fund",
            2.4,
            (
                r"\b(?:lottery|inheritance|deceased|next of kin|beneficiary|transfer (?:of )?the funds?|"
                r"business proposal)\b"
            ),
        ),
        ("million|usd|$", 0.8, r"\b(?:usd|us\$|\$) ?\d{1,3}(?:,\d{3}){2,}|\bmillion (?:usd|dollars)"),
        ("gift card", 2.6, r"\bgift cards?\b"),
        (
            "bitcoin|btc|crypto|invest",
            1.8,
            r"\b(?:bitcoins?|btc|crypto\w*|forex)\b|\bguaranteed .{0,12}returns?\b|\binvest \d",
        ),
        (
            "limited time|best price|moq|factory|wholesale|free quote|affordable|discount",
            1.3,
            (
                r"\b(?:limited time|best price|moq|factory price|wholesale|free quote|affordable price|"
                r"\d+% off|special offer)\b"
            ),
        ),
        ("boost|remove negative|we remove", 1.4, r"\bboost your\b|\bwe (?:remove|delete) (?:negative|bad)\b"),
        (
            "charged|helpline|subscription|renew",
            1.4,
            r"\bcharged to your (?:card|account)|\b(?:helpline|toll[- ]free)\b|\byour subscription\b",
        ),
        ("dear ", 0.7, r"\bdear (?:friend|manager|user|customer|beneficiary|sir/madam|valued)\b"),
        ("viagra|casino|loan|pills", 2.2, r"\b(?:viagra|cialis|casino|payday loans?|business loans?|pills)\b"),
        ("enable content|macro", 2.0, r"\benable (?:content|macros|editing)\b"),
        (
            "kindly find attached|overdue invoice|remittance",
            1.2,
            r"\b(?:kindly find attached|see attached (?:remittance|swift))\b",
        ),
    )
)
_RISKY_FILE = re.compile(r"\.(?:html?|exe|scr|js|vbs|iso|lnk|docm|xlsm|bat|hta)$", re.I)


def spam_signs(told: Told, links: int, file_names: Iterable[str]) -> tuple[float, tuple[Reason, ...]]:
    """How strongly a mail reads like spam: its words, links beside them, files that could run."""
    score = 0.0
    reasons: list[Reason] = []
    for passage, weight in told:
        for near, gain, pattern in _SPAM:
            if any(word in passage.low for word in near) and compiled(pattern).search(passage.low):
                score += gain * weight
                reasons.append(passage.reason("spam"))
    if score and links:
        score += 0.5
    for name in file_names:
        if _RISKY_FILE.search(name):
            score += 0.8
            reasons.append(Reason("spam", name[:200], f"attachment {name[:100]}"))
    return score, tuple(reasons[:4])
