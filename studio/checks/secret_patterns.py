"""How keys and passwords look: own patterns for the usual services, and those of detect-secrets for some others.

Keys that documentation prints as samples (AKIAIOSFODNN7EXAMPLE, "your-api-key", "xxxxxxxx") are left alone.
"""

import re
from importlib import import_module

from studio.checks.private import Pattern, Patterns, with_placeholder

_SAMPLE = re.compile(
    r"example|your|xxxx|placeholder|dummy|redact|change.?me|\.\.\.|<|>|\{|\}|\$|password|secret|abcdef|123456789", re.I
)
_LEAST_DIFFERENT = 6


def _is_real(value: str) -> bool:
    return len(set(value)) >= _LEAST_DIFFERENT and not _SAMPLE.search(value)


def _is_random(value: str) -> bool:
    """Letters and digits mixed, as no word of prose is."""
    return _is_real(value) and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _is_mixed(value: str) -> bool:
    """Small and capital letters, too."""
    return _is_random(value) and value != value.lower() and value != value.upper()


def _own(what: str, marks: str, regex: str, accepts: str = "real") -> Pattern:
    test = {"real": _is_real, "random": _is_random, "mixed": _is_mixed}[accepts]
    return Pattern(what, "", tuple(marks.split()), re.compile(regex), test)


_OWN = (
    _own(
        "a private key",
        "-----begin",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)",
    ),
    _own("an AWS access key", "akia asia abia acca", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", "random"),
    _own(
        "a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})"
    ),
    _own("a GitLab token", "glpat- gldt- glrt- glcbt- glptt-", r"\bgl(?:pat|dt|rt|cbt|ptt)-[\w-]{20,}", "random"),
    _own("a Slack token", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "random"),
    _own("a Slack webhook", "hooks.slack.com", r"https://hooks\.slack\.com/services/T\w+/B\w+/\w+"),
    _own(
        "a Stripe key",
        "sk_live_ rk_live_ sk_test_ whsec_",
        r"\b(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{20,}",
        "random",
    ),
    _own("an Anthropic key", "sk-ant-", r"\bsk-ant-[\w-]{20,}", "random"),
    _own("an OpenAI key", "sk-", r"\bsk-(?:proj-|svcacct-|admin-|None-)?[\w-]{20,}", "mixed"),
    _own("a Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{30,}", "mixed"),
    _own("a Google API key", "aiza", r"\bAIza[\w-]{35}(?![\w-])"),
    _own("a Google OAuth secret", "gocspx-", r"\bGOCSPX-[\w-]{28}"),
    _own("a JSON web token", "eyj", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{10,}"),
    _own(
        "a password in an address", "://", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{1,64}:([^\s:/@'\"]{4,128})@[\w.-]+"
    ),
    _own(
        "a password or key that is assigned",
        "passw pwd secret _key -key apikey _token -token",
        r"(?i)(?:passw(?:or)?d|pwd|secret|(?:api|access)[_-]?key|(?:auth|access)[_-]?token)[\w-]{0,20}[\"']?\s{0,3}[:=]\s{0,3}"
        r"[\"']?([\w\-+/.&!@#%^*~]{8,200}={0,2})(?![\w(\[])",
        "random",
    ),
)
# Plugins of detect-secrets by module and class, with the mark of their texts; nothing is ever verified online.
_PLUGINS = (
    ("azure_storage_key", "AzureStorageKeyDetector", "an Azure storage key", "accountkey="),
    ("discord", "DiscordBotTokenDetector", "a Discord token", "discord"),
    ("mailchimp", "MailchimpDetector", "a Mailchimp key", "-us"),
    ("npm", "NpmDetector", "an npm token", "_authtoken"),
    ("pypi_token", "PypiTokenDetector", "a PyPI token", "pypi-ag"),
    ("sendgrid", "SendGridDetector", "a SendGrid key", "sg."),
    ("square_oauth", "SquareOAuthDetector", "a Square secret", "sq0csp-"),
    ("telegram_token", "TelegramBotTokenDetector", "a Telegram token", ":aa"),
    ("twilio", "TwilioKeyDetector", "a Twilio key", "twilio"),
    ("artifactory", "ArtifactoryDetector", "an Artifactory key", "akc"),
    ("cloudant", "CloudantDetector", "a Cloudant key", "cloudant"),
)


def _of_plugins() -> list[Pattern]:
    """The regular expressions of the plugins; none where detect-secrets is missing."""
    found = []
    for module, name, what, mark in _PLUGINS:
        try:
            plugin = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        except ImportError:
            return []
        found += [Pattern(what, "", (mark,), _without_groups(regex), _is_real) for regex in plugin().denylist]
    return found


def _without_groups(regex: re.Pattern[str]) -> re.Pattern[str]:
    """The whole match is what is hidden, whatever its groups were made for."""
    return re.compile(re.sub(r"(?<!\\)\((?!\?)", "(?:", regex.pattern), regex.flags)


SECRETS = Patterns(with_placeholder([*_OWN, *_of_plugins()], "[SECRET]"))
