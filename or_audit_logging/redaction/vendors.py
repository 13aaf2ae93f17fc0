"""Keys whose format a vendor has published, or shows on every key: who issued a key is read from its prefix.

    find("use sk-or-v1-...")        -> Finding("API_KEY", "credential", 4, ..., vendor="openrouter")

`FORMATS` is the table; another vendor is another row. All rows share one scan: runs of 16 and more letters,
digits, `_` and `-` are looked up by their first two characters. Keys without a form of their own (Mistral,
Cohere, Datadog, DeepSeek's 32 digits after `sk-`) are found by the name before them: see `secrets`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import NamedTuple

from or_audit_logging.redaction.finding import LONG, Finding, Look, Matcher
from or_audit_logging.redaction.tokens import long_runs


class Format(NamedTuple):
    """A vendor's key: one of the literal *prefixes*, then what the pattern *tail* matches."""

    vendor: str
    prefixes: tuple[str, ...]
    tail: str
    source: str
    """Where the vendor states or shows the format; "seen": only the keys themselves, in public code, do."""


_W = "[A-Za-z0-9_-]"
_A = "[A-Za-z0-9]"
_HEX = "[0-9a-fA-F]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_B64 = "[A-Za-z0-9+/_-]"

FORMATS: tuple[Format, ...] = (
    # Model vendors and the tools around them
    Format("openrouter", ("sk-or-",), rf"(?:v[0-9]{{1,2}}-{_W}{{2,200}}|(?!v[0-9]){_W}{{6,200}})", "openrouter.ai/docs: API keys, accepted credentials"),
    Format("anthropic", ("sk-ant-",), rf"(?:[a-z]{{2,8}}[0-9]{{2}}-)?{_W}{{16,200}}", "docs.anthropic.com: api03, admin01, oat01"),
    Format("openai", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-service-", "sk-None-"), rf"{_W}{{16,250}}", "platform.openai.com: projects, admin keys"),
    Format("openai", ("sess-",), rf"{_A}{{40}}", "platform.openai.com: session keys"),
    Format("langfuse", ("sk-lf-", "pk-lf-"), _UUID, "langfuse.com/docs: API keys"),
    Format("helicone", ("sk-helicone-",), rf"{_W}{{16,80}}", "seen"),
    Format("openai", ("sk-",), rf"(?!or-|ant-)(?=[A-Za-z_-]{{0,100}}[0-9]){_W}{{20,250}}", "platform.openai.com: also DeepSeek, Moonshot, LiteLLM and other compatible services"),
    Format("google", ("AIza",), rf"{_W}{{31,40}}", "cloud.google.com: API keys"),
    Format("google", ("AQ.Ab",), rf"{_W}{{30,90}}", "ai.google.dev: authorization keys, in place of AIza"),
    Format("google", ("GOCSPX-",), rf"{_W}{{20,40}}", "developers.google.com: OAuth client secret"),
    Format("google", ("ya29.",), r"[A-Za-z0-9._-]{20,2000}", "developers.google.com: OAuth access token"),
    Format("google", ("1//0",), rf"{_W}{{20,250}}", "developers.google.com: OAuth refresh token"),
    Format("xai", ("xai-",), rf"{_W}{{32,160}}", "docs.x.ai: API keys"),
    Format("groq", ("gsk_",), rf"{_A}{{32,80}}", "seen: 52 characters"),
    Format("huggingface", ("hf_",), rf"{_A}{{30,60}}", "huggingface.co/docs: user access tokens"),
    Format("huggingface", ("api_org_", "hf_oauth_", "hf_jwt_"), rf"{_W}{{30,400}}", "huggingface.co/docs: organisations, OAuth"),
    Format("perplexity", ("pplx-",), rf"{_A}{{32,80}}", "seen: 48 characters"),
    Format("replicate", ("r8_",), rf"{_A}{{36,48}}", "replicate.com/docs: API tokens"),
    Format("fireworks", ("fw_",), rf"{_A}{{20,64}}", "seen: 24 to 33 characters; older keys have no form"),
    Format("together", ("tgp_v1_",), rf"{_W}{{24,80}}", "seen: 43 characters"),
    Format("pinecone", ("pcsk_",), rf"{_W}{{32,120}}", "docs.pinecone.io: API keys"),
    Format("langsmith", ("lsv2_pt_", "lsv2_sk_", "ls__"), rf"{_W}{{32,90}}", "seen: personal and service keys"),
    Format("cerebras", ("csk-",), rf"{_A}{{32,80}}", "seen: 48 characters"),
    Format("nvidia", ("nvapi-",), rf"{_W}{{40,120}}", "seen: 64 characters"),
    Format("voyage", ("pa-", "al-"), r"(?=[A-Za-z_-]{0,30}[0-9])[A-Za-z0-9_-]{40,60}", "seen: 43 characters"),
    Format("tavily", ("tvly-",), rf"{_W}{{20,80}}", "seen"),
    Format("jina", ("jina_",), rf"{_W}{{40,90}}", "seen"),
    Format("firecrawl", ("fc-",), rf"{_HEX}{{32}}", "seen: 32 hexadecimal digits"),
    Format("elevenlabs", ("sk_",), r"[0-9a-f]{48}", "elevenlabs.io/docs: authentication"),
    Format("e2b", ("e2b_",), rf"{_HEX}{{32,64}}", "seen"),
    Format("runpod", ("rpa_",), rf"{_A}{{36,64}}", "seen"),
    Format("wandb", ("wandb_v1_",), rf"{_W}{{40,120}}", "seen"),
    Format("anyscale", ("esecret_",), rf"{_A}{{20,64}}", "seen"),
    Format("posthog", ("phc_", "phx_", "phs_", "pha_"), rf"{_A}{{32,64}}", "posthog.com/docs"),
    # Clouds and infrastructure
    Format("aws", ("AKIA", "ASIA", "ABIA", "ACCA"), r"[A-Z0-9]{16}", "docs.aws.amazon.com: IAM identifiers, prefixes of keys"),
    Format("aws", ("A3T",), r"[A-Z0-9][A-Z0-9]{16}", "docs.aws.amazon.com: IAM"),
    Format("aws", ("ABSKQmVkcm9ja0FQSUtleS",), r"[A-Za-z0-9+/=]{20,300}", "docs.aws.amazon.com: Bedrock API keys"),
    Format("aws", ("bedrock-api-key-",), r"[A-Za-z0-9+/=_-]{16,2000}", "docs.aws.amazon.com: Bedrock short-term keys"),
    Format("aws", ("amzn.mws.",), _UUID, "developer-docs.amazon.com: MWS"),
    Format("alibaba", ("LTAI",), rf"{_A}{{12,30}}", "alibabacloud.com: AccessKey ID"),
    Format("tencent", ("AKID",), rf"{_A}{{32}}", "cloud.tencent.com: SecretId"),
    Format("digitalocean", ("dop_v1_", "doo_v1_", "dor_v1_"), rf"{_HEX}{{64}}", "docs.digitalocean.com: token formats"),
    Format("heroku", ("HRKU-",), rf"{_W}{{36,80}}", "devcenter.heroku.com"),
    Format("cloudflare", ("v1.0-",), rf"{_HEX}{{24}}-{_HEX}{{64,200}}", "developers.cloudflare.com: origin CA keys"),
    Format("cloudflare", ("cfut_", "cfat_", "cfk_"), rf"{_W}{{32,80}}", "developers.cloudflare.com: token formats, 40 characters and a checksum"),
    Format("fly", ("fo1_", "fm1r_", "fm1a_", "fm2_"), rf"{_B64}{{32,2000}}={{0,3}}", "fly.io/docs: access tokens"),
    Format("netlify", ("nfp_", "nfc_", "nfo_"), rf"{_A}{{32,64}}", "seen: 36 characters and more"),
    Format("vercel", ("vcp_", "vck_", "vci_", "vca_", "vcr_"), rf"{_W}{{20,80}}", "vercel.com/changelog: new token formats"),
    Format("render", ("rnd_",), rf"{_A}{{24,40}}", "seen: 28 characters"),
    Format("supabase", ("sbp_", "sb_secret_"), rf"{_W}{{24,80}}", "supabase.com/docs: API keys, secret keys"),
    Format("planetscale", ("pscale_tkn_", "pscale_pw_", "pscale_oauth_"), r"[A-Za-z0-9_.=-]{30,80}", "planetscale.com/docs"),
    Format("neon", ("napi_",), rf"{_A}{{40,90}}", "seen: 64 characters"),
    Format("scaleway", ("SCW",), r"[A-Z0-9]{17}", "scaleway.com/docs: access key"),
    Format("yandex", ("AQVN", "YCAJE", "YCM"), rf"{_W}{{22,80}}", "yandex.cloud/docs"),
    Format("yandex", ("t1.9", "y0_"), r"[A-Za-z0-9._=-]{30,300}", "yandex.cloud/docs: IAM token, OAuth"),
    Format("databricks", ("dapi", "dose", "dkea"), rf"{_HEX}{{32}}(?:-[0-9]{{1,2}})?", "docs.databricks.com: personal access tokens"),
    Format("vault", ("hvs.", "hvb.", "hvr."), rf"{_W}{{20,400}}", "developer.hashicorp.com: Vault tokens"),
    Format("vault", ("s.", "b.", "r."), rf"(?=[A-Za-z]{{0,20}}[0-9]){_A}{{24}}(?![A-Za-z0-9])", "developer.hashicorp.com: Vault tokens before 1.10"),
    Format("doppler", ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.said.", "dp.scim.", "dp.audit."), r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{32,48}", "docs.doppler.com"),
    Format("onepassword", ("ops_ey",), r"[A-Za-z0-9+/_-]{100,3000}={0,3}", "developer.1password.com: service accounts"),
    Format("onepassword", ("A3-",), r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}", "support.1password.com: secret key"),
    Format("infisical", ("st.",), rf"{_HEX}{{24}}\.{_HEX}{{32}}\.{_HEX}{{32}}", "infisical.com/docs"),
    Format("age", ("AGE-SECRET-KEY-1",), r"[A-Z0-9]{58}", "age-encryption.org/v1"),
    Format("pulumi", ("pul-",), rf"{_HEX}{{40}}", "pulumi.com/docs"),
    Format("prefect", ("pnu_", "pnb_"), rf"{_A}{{36}}", "docs.prefect.io"),
    Format("tailscale", ("tskey-",), rf"[a-z]{{3,12}}-{_A}{{6,24}}-{_A}{{20,64}}", "tailscale.com/kb"),
    Format("docker", ("dckr_pat_", "dckr_oat_"), rf"{_W}{{24,64}}", "docs.docker.com: access tokens"),
    Format("openshift", ("sha256~",), rf"{_W}{{43}}", "docs.openshift.com: OAuth tokens"),
    Format("confluent", ("cflt",), r"[A-Za-z0-9+/]{60}", "docs.confluent.io: API secrets"),
    Format("clickhouse", ("4b1d",), rf"{_A}{{38}}", "clickhouse.com/docs: cloud API keys"),
    Format("defined", ("dnkey-",), r"[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}", "docs.defined.net"),
    Format("dynatrace", ("dt0",), r"[a-z][0-9]{2}\.[A-Za-z0-9]{8,24}\.[A-Za-z0-9]{64}", "docs.dynatrace.com: token format"),
    # Code hosts and packages
    Format("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_W}{{30,600}}(?:\.{_W}{{2,2000}}){{0,2}}", "docs.github.com: token formats; since 2026 ghs_ and a JWT"),
    Format("github", ("github_pat_",), rf"{_W}{{50,255}}", "docs.github.com: fine-grained tokens"),
    Format(
        "gitlab",
        ("glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-", "glwt-"),
        rf"{_W}{{18,300}}(?:\.[A-Za-z0-9_-]{{2,20}}){{0,3}}",
        "docs.gitlab.com/security/tokens: token prefixes",
    ),
    Format("gitlab", ("GR1348941",), rf"{_W}{{20,60}}", "docs.gitlab.com: runner registration"),
    Format("bitbucket", ("ATBB", "ATCTT3xFfG"), r"[A-Za-z0-9_=-]{28,250}", "support.atlassian.com: app passwords, access tokens"),
    Format("atlassian", ("ATATT3x", "ATSTT3x", "ATOA3x", "ATB3x"), r"[A-Za-z0-9_=-]{60,300}", "support.atlassian.com: API tokens"),
    Format("sourcegraph", ("sgp_", "slk_", "sgd_"), rf"(?:{_HEX}{{16}}_|local_)?{_HEX}{{40,80}}", "sourcegraph.com/docs"),
    Format("npm", ("npm_",), rf"{_A}{{30,48}}", "docs.npmjs.com: access tokens"),
    Format("pypi", ("pypi-",), rf"{_W}{{50,400}}", "pypi.org/help: API tokens"),
    Format("rubygems", ("rubygems_",), rf"{_HEX}{{48}}", "guides.rubygems.org"),
    Format("nuget", ("oy2",), r"[a-z0-9]{43}", "learn.microsoft.com: NuGet"),
    Format("crates", ("cio",), rf"{_A}{{32}}", "crates.io"),
    Format("clojars", ("CLOJARS_",), rf"{_A}{{60}}", "github.com/clojars: deploy tokens"),
    Format("artifactory", ("AKC", "AKCp"), rf"{_A}{{60,80}}", "jfrog.com/help: API key"),
    Format("artifactory", ("cmVm",), rf"{_A}{{60}}", "jfrog.com/help: reference token"),
    Format("circleci", ("CCIPAT_", "CCIPRJ_"), rf"{_A}{{10,32}}_{_HEX}{{40}}", "circleci.com/docs"),
    Format("buildkite", ("bkua_", "bkaj_", "bkct_"), rf"{_W}{{32,80}}", "buildkite.com/docs"),
    Format("sonar", ("sqp_", "squ_", "sqa_"), rf"{_HEX}{{40}}", "docs.sonarsource.com: tokens"),
    Format("postman", ("PMAK-", "PMAT-"), rf"{_A}{{24,26}}(?:-{_HEX}{{34}})?", "learning.postman.com"),
    Format("readme", ("rdme_",), rf"{_A}{{60,80}}", "docs.readme.com"),
    Format("infracost", ("ico-",), rf"{_A}{{32}}", "seen"),
    Format("snyk", ("snyk_",), r"[a-z]{3}\.[A-Za-z0-9_.-]{20,200}", "seen: snyk_uat"),
    Format("semgrep", ("sgp_",), rf"{_A}{{40,80}}", "semgrep.dev/docs"),
    # Payment and commerce
    Format("stripe", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_", "pk_live_", "pk_test_"), rf"{_A}{{10,250}}", "docs.stripe.com: API keys; also Clerk and Paystack"),
    Format("stripe", ("whsec_",), r"[A-Za-z0-9+/]{24,80}={0,2}", "docs.stripe.com: webhook secrets"),
    Format("square", ("sq0atp-", "sq0csp-", "sq0idp-", "sq0idb-"), rf"{_W}{{20,64}}", "developer.squareup.com"),
    Format("square", ("EAAA",), rf"(?=[A-Za-z_-]{{0,40}}[0-9]){_W}{{56,64}}", "developer.squareup.com: access tokens"),
    Format("shopify", ("shpat_", "shpca_", "shppa_", "shpss_", "shptka_"), rf"{_HEX}{{32,64}}", "shopify.dev/changelog: 32 characters after the prefix"),
    Format("adyen", ("AQE",), r"[A-Za-z0-9]{13}[A-Za-z0-9+/=.\-_\[\]{}()<>|&%$#@!^*:;,?~]{50,160}", "docs.adyen.com: API key"),
    Format("braintree", ("access_token$production$", "access_token$sandbox$"), rf"[0-9a-z]{{16}}\${_HEX}{{32}}", "developer.paypal.com: Braintree"),
    Format("paypal", ("A21AA",), rf"{_W}{{50,120}}", "developer.paypal.com: access tokens"),
    Format("razorpay", ("rzp_live_", "rzp_test_"), rf"{_A}{{14,24}}", "razorpay.com/docs"),
    Format("flutterwave", ("FLWSECK-", "FLWSECK_TEST-", "FLWPUBK-", "FLWPUBK_TEST-"), rf"{_A}{{12,40}}(?:-X)?", "developer.flutterwave.com"),
    Format("gocardless", ("live_", "sandbox_"), r"(?=[A-Za-z_=-]{0,20}[0-9])[A-Za-z0-9_=-]{40,42}(?![A-Za-z0-9_=-])", "developer.gocardless.com"),
    Format("easypost", ("EZAK", "EZTK"), rf"{_A}{{54}}", "docs.easypost.com"),
    Format("shippo", ("shippo_live_", "shippo_test_"), rf"{_HEX}{{40}}", "docs.goshippo.com"),
    Format("duffel", ("duffel_live_", "duffel_test_"), r"[A-Za-z0-9_=-]{43}", "duffel.com/docs"),
    Format("plaid", ("access-sandbox-", "access-production-", "access-development-"), _UUID, "plaid.com/docs"),
    Format("lob", ("live_pub_", "test_pub_", "live_", "test_"), rf"{_HEX}{{31,35}}", "docs.lob.com"),
    # Chat, mail and documents
    Format("slack", ("xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "xwfp-"), r"[A-Za-z0-9%/+=_-]{12,400}", "docs.slack.dev: token types"),
    Format("slack", ("xoxe.",), r"xox[bp]-[A-Za-z0-9-]{20,400}", "docs.slack.dev: token rotation"),
    Format("discord", ("MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"), rf"{_W}{{20,26}}\.{_W}{{6}}\.{_W}{{27,38}}", "discord.com/developers: bot tokens"),
    Format("sendgrid", ("SG.",), rf"{_W}{{16,32}}\.{_W}{{16,64}}", "docs.sendgrid.com: API keys"),
    Format("brevo", ("xkeysib-", "xsmtpsib-"), rf"{_HEX}{{64}}-{_A}{{16}}", "developers.brevo.com"),
    Format("mailgun", ("key-", "pubkey-"), rf"{_HEX}{{32}}", "documentation.mailgun.com"),
    Format("resend", ("re_",), rf"(?=[A-Za-z_]{{0,24}}[0-9]){_A}{{8,10}}_{_A}{{20,30}}", "resend.com/docs"),
    Format("twilio", ("SK", "AC"), rf"(?:{_HEX}{{32}}|x{{32}})", "twilio.com/docs: SIDs"),
    Format("notion", ("ntn_", "secret_"), rf"(?=[A-Za-z]{{0,40}}[0-9]){_A}{{40,50}}", "developers.notion.com"),
    Format("airtable", ("pat",), rf"{_A}{{14}}\.{_HEX}{{64}}", "airtable.com/developers: personal access tokens"),
    Format("figma", ("figd_", "figu_", "figdr_"), rf"{_W}{{36,60}}", "figma.com/developers"),
    Format("linear", ("lin_api_", "lin_oauth_", "lin_wh_"), rf"{_A}{{32,64}}", "linear.app/developers"),
    Format("hubspot", ("pat-na1-", "pat-eu1-", "pat-na2-", "pat-na3-", "pat-ap1-"), _UUID, "developers.hubspot.com: private apps"),
    Format("typeform", ("tfp_",), r"[A-Za-z0-9_.=-]{44,80}", "typeform.com/developers"),
    Format("contentful", ("CFPAT-",), rf"{_W}{{40,64}}", "contentful.com/developers"),
    Format("dropbox", ("sl.",), rf"(?:u\.)?{_W}{{60,1500}}", "developers.dropbox.com: short-lived tokens"),
    Format("frameio", ("fio-u-",), r"[A-Za-z0-9_=-]{64}", "developer.frame.io"),
    Format("adobe", ("p8e-",), rf"{_A}{{32}}", "developer.adobe.com: client secret"),
    Format("intra42", ("s-s4t2ud-", "s-s4t2af-"), rf"{_HEX}{{64}}", "api.intra.42.fr"),
    Format("facebook", ("EAA",), rf"(?=[A-Za-z]{{0,40}}[0-9]){_A}{{80,400}}", "developers.facebook.com: access tokens"),
    Format("twitter", ("AAAAAAAAAAAAAAAAAAAAA",), r"(?=[A-Za-z]{0,40}[0-9%])[A-Za-z0-9%]{60,110}", "developer.x.com: bearer tokens"),
    Format("mapbox", ("sk.ey", "pk.ey", "tk.ey"), rf"{_W}{{40,120}}\.{_W}{{20,30}}", "docs.mapbox.com: tokens"),
    Format("asana", ("0/", "1/", "2/"), r"[0-9]{13,17}(?:/[0-9]{13,17})?:[0-9a-zA-Z]{32}", "developers.asana.com: personal access tokens"),
    # Observability and feature flags
    Format("newrelic", ("NRAK-", "NRJS-", "NRII-", "NRRA-", "NRSP-", "NRIQ-", "NRAA-"), rf"{_W}{{19,48}}", "docs.newrelic.com: API keys"),
    Format("sentry", ("sntrys_", "sntryu_", "sntryi_", "sntrya_"), r"[A-Za-z0-9+/=_-]{40,500}", "docs.sentry.io: token and credential formats"),
    Format("grafana", ("glsa_", "glc_"), r"[A-Za-z0-9+/=_-]{30,500}", "grafana.com/docs: service accounts, access policies"),
    Format("grafana", ("eyJrIjoi",), r"[A-Za-z0-9+/]{40,400}={0,3}", "grafana.com/docs: API keys"),
    Format("honeycomb", ("hcaik_", "hcbik_", "hcaic_", "hcamk_"), r"[a-z0-9]{50,80}", "seen: ingest and configuration keys"),
    Format("launchdarkly", ("sdk-", "api-", "mob-"), _UUID, "launchdarkly.com/docs: keys"),
    Format("rootly", ("rootly_",), rf"{_HEX}{{64}}", "seen"),
)  # fmt: skip
"""Rows are tried in this order where prefixes overlap."""


class _Shape(NamedTuple):
    """A key without a prefix: a hint that is always in it, and its pattern."""

    vendor: str
    hint: str
    pattern: re.Pattern[str]


_SHAPES = (
    _Shape("telegram", ":AA", re.compile(rf"(?<![0-9])[0-9]{{8,10}}:AA{_W}{{32,36}}")),
    _Shape("mailchimp", "-us", re.compile(rf"(?<!{_A}){_HEX}{{32}}-us[0-9]{{1,2}}(?!{_A})")),
    _Shape("azure", "Q~", re.compile(r"(?<![A-Za-z0-9_.~-])[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}")),
    _Shape("azure", "JQQJ99", re.compile(rf"(?<!{_A}){_A}{{52}}JQQJ99{_A}{{26}}")),
    _Shape("azure", "==", re.compile(r"(?<![A-Za-z0-9+/-])[A-Za-z0-9+/]{86}==")),
    _Shape("terraform", ".atlasv1.", re.compile(rf"(?<!{_A}){_A}{{10,20}}\.atlasv1\.[A-Za-z0-9_=-]{{40,90}}")),
    _Shape("slack", "hooks.slack.com/", re.compile(r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,160}")),
    _Shape("discord", "/webhooks/", re.compile(rf"(?<=/webhooks/)[0-9]{{16,20}}/{_W}{{30,90}}")),
    _Shape("microsoft", ".webhook.office.com/", re.compile(rf"(?<=\.webhook\.office\.com/)webhookb2/{_HEX}[A-Za-z0-9@/_-]{{60,260}}")),
    _Shape("zapier", "hooks.zapier.com/", re.compile(r"(?<=hooks\.zapier\.com/)hooks/catch/[A-Za-z0-9/]{8,60}")),
    _Shape("facebook", "|", re.compile(rf"[0-9]{{13,17}}\|{_W}{{27}}(?!{_W})")),
)  # fmt: skip

_Row = tuple[str, re.Pattern[str]]


def _by_start() -> dict[str, tuple[_Row, ...]]:
    rows: dict[str, list[_Row]] = {}
    for vendor, prefixes, tail, _ in FORMATS:
        for prefix in prefixes:
            rows.setdefault(prefix[:2], []).append((vendor, re.compile(re.escape(prefix) + tail)))
    return {start: tuple(found) for start, found in rows.items()}


_BY_START = _by_start()
_RUN_STARTS = frozenset(start.rstrip("-_") for start in _BY_START)

_JOINTS = "./:$~+=%"
_JOINTED = frozenset(
    prefix[:2] for row in FORMATS for prefix in row.prefixes if set(prefix + row.tail) & set("./:$~+=%")
)
"""How keys begin whose first part may be shorter than a long run."""
_SHORT_SHAPES = tuple(shape for shape in _SHAPES if shape.hint == "Q~")

# What services and error messages show of a key: sk-or-v1-77a...f2c, sk-proj-****1234.
_SHORTENED = re.compile(
    r"sk-(?:(?:or-v[0-9]{1,2}|ant-[a-z0-9]{2,10}|proj|svcacct|admin)-)?[A-Za-z0-9_-]{0,16}"
    r"(?:\.{2,6}|\u2026|\*{3,200}|\u2022{3,200})[A-Za-z0-9_-]{1,16}(?![A-Za-z0-9_-])"
    r"|sk-or-v[0-9]{1,2}-[A-Za-z0-9_-]{2,200}(?:\.{2,6}|\u2026|\*{3,200})?"
)

_OPENROUTER = re.compile(r"sk-or-v1-[A-Za-z0-9]{16}")
"""So telling that it counts right behind letters, too."""
_RUN = frozenset(string.ascii_letters + string.digits + "_-")
_ESCAPED = re.compile(r"\\(?:[nrtbf]|u00[0-9a-fA-F]{2}|x[0-9a-fA-F]{2})|%[0-9a-fA-F]{2}")
"""What may stand right before a key in escaped text and looks like its first characters."""


def find(text: str) -> Iterator[Finding]:
    """Yield the keys in *text*."""
    tokens, runs = long_runs(text)
    done = 0
    for start, end in runs:
        starts = _starts(text, tokens, start, end)
        for at in starts:
            if at < done:
                continue
            for vendor, pattern in _BY_START.get(text[at : at + 2], ()):
                match = pattern.match(text, at)
                if match:
                    done = match.end()
                    starts.append(done)  # another may follow with nothing between them
                    yield Finding("API_KEY", "credential", at, done, vendor)
                    break
    for vendor, hint, pattern in _SHAPES if runs else _SHORT_SHAPES:
        if hint in text:
            for match in pattern.finditer(text):
                yield Finding("API_KEY", "credential", *match.span(), vendor)
    yield from _shortened(text)


def _starts(text: str, tokens: bytes, start: int, end: int) -> list[int]:
    """Return where in the run *start* to *end*, or in the short runs before it, a key may begin."""
    starts = []
    before = start
    while before and text[before - 1] in _JOINTS and start - before < 40:
        before = tokens.rfind(b" ", max(0, before - 25), before - 1) + 1
        if text[before : before + 2] in _JOINTED:
            starts.append(before)
        if before and text[before - 1] in "\\%":
            escaped = _ESCAPED.match(text, before - 1)
            if escaped and escaped.end() < start:
                starts.append(escaped.end())
    if start and text[start - 1] in "\\%":
        escaped = _ESCAPED.match(text, start - 1)
        if escaped:
            starts.append(escaped.end())
    run = text[start:end]
    if not run.strip("0123456789abcdef-") and not run.startswith("fc-"):
        return starts  # a UUID or a digest
    glued = _OPENROUTER.search(text, start + 1, end)
    if glued:
        starts.append(glued.start())
    at = start
    for piece in run.replace("_", "-").split("-"):
        if piece[:2] in _RUN_STARTS:
            starts.append(at)
        at += len(piece) + 1
    return starts


def _shortened(text: str) -> Iterator[Finding]:
    at = text.find("sk-")
    while at >= 0:
        if not at or text[at - 1] not in _RUN or _ESCAPED.search(text, max(0, at - 6), at):
            match = _SHORTENED.match(text, at)
            if match:
                vendor = (
                    "openrouter"
                    if text.startswith("sk-or-", at)
                    else "anthropic"
                    if text.startswith("sk-ant-", at)
                    else "openai"
                )
                yield Finding("API_KEY", "credential", *match.span(), vendor)
                at = match.end() - 3
        at = text.find("sk-", at + 3)


def may_match(look: Look) -> bool:
    """Return whether *look* has a long run, or the start of a key that is shown shortened."""
    return look.has_run or "sk-" in look.text or ("~" in look.text and "Q~" in look.text)


NEEDLE = rf"[A-Za-z0-9_-]{{{LONG}}}|sk-|Q~"
"""No prefixes: RE2's automaton would grow with them, and take longer to build than it ever saves."""

MATCHERS: tuple[Matcher, ...] = (Matcher("api_key", find, may_match, NEEDLE),)
