"""Tokens in text: where long runs of letters and digits are, and which of them are no secrets.

    long_runs(text)[1]                          -> [(start, end), ...]
    is_known_id("chatcmpl-...")                 -> True: an id that LLM stacks write

A run is made of ASCII letters, digits, `_` and `-`.
"""

from __future__ import annotations

import re

from or_audit_logging.redaction.finding import LONG, LONG_RUN, tokens_of

_DIGEST = "(?:[0-9a-f]{8,32}|[0-9a-f]{40}|[0-9a-f]{48}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})"
_KNOWN_ID = re.compile(
    # requests, messages, calls, files and jobs, as OpenRouter, OpenAI, Anthropic and their kind write them
    r"(?:gen-(?:[a-z]{1,12}-)?[0-9]{9,11}-|chatcmpl-|cmpl-|embd-|modr-|ftjob-|file-|org-|proj-|user-|asst-|msg-|req-|tool-"
    r"|msg_|resp_|req_|call_|toolu_|srvtoolu_|tooluse_|mcptoolu_|mcpu?_|run_|thread_|asst_|step_|file_|rs_|fc_|ws_|fs_|ci_"
    r"|ig_|cu_|lsh_|cntr_|container_|batch_|batch-|msgbatch_|vs_|vsf_|item_|event_|evt_|evtrun_|eval_|evalrun_"
    r"|conv_|img_|upload_|part_|org_|proj_|user_|acct_|workspace_|wrkspc_|fp_|snapshot_|chat_|chat-|completion-"
    r"|trace_|span_|trace-|session_|sess_id_|job_|job-|task_|task-|tc_|tool_|rec_|in_|cus_|sub_|pi_|ch_|price_|prod_)"
    r"[A-Za-z0-9_-]{4,120}"
    # UUID, ULID, W3C trace context, hexadecimal digests and ids, times
    r"|(?:[A-Za-z]{1,16}[_-])?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?:[_-][0-9]{1,6})?"
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}"
    r"|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
    r"|[0-9a-f]{16}-[A-Z]{3}"  # Cloudflare's cf-ray
    rf"|(?:0x|sha1[-_]|sha256[-_]|sha512[-_]|md5[-_])?{_DIGEST}|(?:0x)?{_DIGEST.replace('a-f', 'A-F')}"
    r"|[0-9a-fA-F]{1,64}(?:[-_][0-9a-fA-F]{1,64}){1,16}"
    r"|[0-9]{4}-?[01][0-9]-?[0-3][0-9][T_-]?[0-9]{2}-?[0-9]{2}-?[0-9]{2}[0-9_-]{0,12}Z?"
)

_PLAIN_PART = (
    r"(?:[A-Za-z]{1,64}[0-9]{0,4}"
    r"|[0-9]{1,32}(?:[A-Za-z]{1,2}|st|nd|rd|th|bit|px|ms)?"
    r"|[vVxX][0-9]{1,4}[a-z]?)"
)
_PLAIN = re.compile(rf"[-_./:]{{0,4}}{_PLAIN_PART}(?:[-_./:]{{1,3}}{_PLAIN_PART}){{0,40}}[-_./:]{{0,4}}")


def long_runs(text: str) -> tuple[bytes, list[tuple[int, int]]]:
    """Return `tokens_of` *text*, and (start, end) of every run of at least `LONG` characters."""
    tokens = tokens_of(text)
    found = []
    start = tokens.find(LONG_RUN)
    while start >= 0:
        end = tokens.find(b" ", start + LONG)
        if end < 0:
            end = len(tokens)
        found.append((start, end))
        start = tokens.find(LONG_RUN, end)
    return tokens, found


def is_known_id(token: str) -> bool:
    """Return whether *token* as a whole is an id, a digest or a time of a known form."""
    return _KNOWN_ID.fullmatch(token) is not None


def is_plain(token: str) -> bool:
    """Return whether *token* consists of words and numbers: a name, a path, a version, a model."""
    return _PLAIN.fullmatch(token) is not None
