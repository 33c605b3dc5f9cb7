"""Made-up secrets and personal data; put together here, so that no scanner takes this file for a leak."""

_A = "Qz7Lm2Xw9Rt4Vb6Nc1Ys8Kd3Hf5Jg0Pq"
_HEX = "4f9a1c7be2d0863547a1f9c0de83b6a2"

SECRETS = (
    "My key is AKIA" + "2E0A8F3B" + "244C9QZ7 by the way.",
    "token: ghp_" + _A + "a1B2",
    "Use glpat-" + _A[:20] + " for the clone.",
    "xoxb-" + "210987654321-1098765432109-" + _A[:24],
    "sk_live_" + _A[:24] + " is the live one",
    "export OPENAI_API_KEY=sk-proj-" + _A + _A[:16],
    "sk-ant-api03-" + _A * 2 + _A[:21] + "-" + _A[:6] + "AA",
    "hf_" + _A + "AB is my token",
    "AIza" + "Sy" + _A + "x",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + _A + "\n-----END RSA PRIVATE KEY-----",
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + _A + _A[:11],
    "postgresql://admin:" + "Tr0ub4dor" + "@db.prod.internal:5432/shop",
    "pypi-AgEIcHlwaS5vcmc" + _A * 3,
    "SG." + _A[:22] + "." + _A + _A[:11],
    "password = '" + "Tr0ub4dor&3x" + "'",
    "api_key: " + _HEX,
)
PERSONAL = (
    "Write to greta.lindqvist" + "@" + "postbox-nord.se please.",
    "Call me on +49 30 " + "9018 2745 today.",
    "My number is (415) " + "832-7719.",
    "Reach me at 212-" + "736-5000.",
    "IBAN: DE89 3704 " + "0044 0532 0130 00",
    "IBAN GB29NWBK" + "60161331926819",
    "card 4539 1488 " + "0343 6467, exp 04/29",
    "5500-0055-" + "5555-5559 is the card",
    "He connects from 91.198." + "174.192 at night.",
    "from 2a02:908:e842:" + "9a20::17 since",
    "SSN 536-90-" + "4399 on file",
    "Tel.: 030 " + "90182745",
)
