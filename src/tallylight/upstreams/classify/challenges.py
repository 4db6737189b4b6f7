"""Challenges and blocks of bot protections, known by their scripts and headers in any language.

A protection answers in place of the service: with a page, with JSON for an API client, or with a
header. A page is known by the scripts, forms and addresses of its maker, which no translation
changes; a few phrases stand for makers whose pages have no script.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from tallylight.upstreams.classify.html import has_app_root, is_html, visible_text
from tallylight.upstreams.json_access import object_at
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.normalize import normalize_text, simplified

#: Challenge pages are longer than error texts: styles come before the script.
_MAX_SCANNED = 60_000

_HEADERS: Mapping[str, frozenset[str]] = {
    "cf-mitigated": frozenset({"challenge", "block"}),
    "x-amzn-waf-action": frozenset({"challenge", "captcha"}),
    "x-vercel-mitigated": frozenset({"challenge", "deny"}),
}
#: Headers that a protection writes on nothing but its blocks.
_BLOCK_HEADERS = frozenset({"x-sucuri-block", "x-dd-b", "x-kpsdk-ct"})
_EDGES_THAT_DENY = re.compile(r"akamaighost|akamainetstorage|ddos-guard|qrator|yunjiasu")

_MARKERS: Mapping[str, str] = {
    # Not its "jsd" script, which is part of pages that it lets through.
    "Cloudflare": (
        r"_cf_chl_|cf-chl-|challenge-platform/h/|cf-browser-verification|cf-turnstile"
        r"|challenges\.cloudflare\.com|/cdn-cgi/l/chk_"
    ),
    "Akamai": r"errors\.edgesuite\.net|/_sec/cp_challenge|sec-cpt-|sec-if-cpt|bm-verify",
    "Imperva": r"_incapsula_resource|incapsula incident|distil_r_captcha|powered by imperva",
    "DataDome": r"captcha-delivery\.com",
    "HUMAN (PerimeterX)": r"px-captcha|_pxappid|_pxjsclientsrc|perimeterx",
    "AWS WAF": r"awswaf\.com|awswafcookiedomainlist|gokuprops",
    "Alibaba Cloud": (
        r"errors\.aliyun\.com|acw_sc__v\d|x5secdata|_____tmd_____|/punish\?|aliyun_?waf"
        r"|aliyuncaptcha"
    ),
    "Tencent Cloud": (
        r"tcaptcha|tencentcaptcha|waf\.tencent\.com|t-sec waf|eo_bot_ssid|__tst_status"
        r"|edgeone[ -]waf"
    ),
    "Baidu, Huawei Cloud": r"wappass\.baidu\.com|yunjiasu|hwwafses|cloudwaf",
    "Geetest, NetEase": r"geetest|gcaptcha4|yidun|dun\.163\.com",
    "other Chinese firewalls": r"safeline|雷池|创宇盾|365cyd|safedog|云锁|btwaf|jsl_clearance",
    "F5, Kasada, Radware, Reblaze": (r"/tspd/|bobcmn|kpsdk|perfdrive\.com|shieldsquare|rbzns"),
    "Sucuri, Vercel, DDoS-Guard": (
        r"sucuri_cloudproxy|sucuri website firewall|vercel security checkpoint|ddos-guard"
        r"|ddos protection by"
    ),
    "Anubis, Wordfence, ModSecurity, StackPath": (
        r"anubis_challenge|within\.website|wordfence|mod_security|stackpath_"
    ),
}
_PHRASES: Mapping[str, str] = {
    "English": (
        r"just a moment|attention required! ?\||checking your browser|verify(?:ing)? your browser"
        r"|verify(?:ing)? (?:that )?you are (?:a )?human|confirm you are a human|are you a robot"
        r"|not a (?:ro)?bot|you have been blocked|unable to access.{0,60}cloudflare"
        r"|performing security verification|pardon our interruption"
        r"|enable (?:javascript|js) and (?:cookies|disable any ad ?blocker)"
        r"|(?:blocked|denied|rejected) by (?:a |the )?(?:web application )?(?:firewall|waf\b)"
        r"|the requested url was rejected\. please consult|request blocked\..{0,400}cloudfront"
    ),
    "Chinese": simplified(
        r"访问被(?:阻断|拦截|拒绝)|人机(?:识别|验证)|滑(?:动|块)验证|安全(?:验证|检查)"
        r"|验证您是(?:真人|人类)|恶意访问|(?:疑似|存在)(?:黑客)?攻击|网站防火墙|web应用防火墙"
        r"|请求被拦截|设置拦截|拦截提示"
    ),
    "Japanese": simplified(r"人間であること|ロボットで(?:は|ない)|セキュリティ(?:検証|確認)を"),
    "Korean": r"사람인지 확인|로봇이 아닙니다",
    "German, French, Spanish, Portuguese, Italian, Russian": (
        r"dass sie ein mensch sind|que vous êtes (?:un )?humain|que você é humano|che sei umano"
        r"|que (?:usted )?es (?:un ser )?humano|что вы (?:не робот|человек)"
    ),
}
_PAGE = re.compile("|".join((*_MARKERS.values(), *_PHRASES.values())))
_CAPTCHA = re.compile(r"captcha|turnstile|altcha")
_COOKIE_SCRIPT = re.compile(r"document\.cookie")
_RELOAD_SCRIPT = re.compile(r"location\.(?:reload|replace|href)|location ?=")
_ENTITY = re.compile(r"&#(\d{2,3});")

_WALL_STATUSES = frozenset({202, 403, 405, 429})
_MOST_WALL_TEXT = 80
_MAX_DOCUMENT = 4000
_MAX_BARE_TEXT = 2000  # a longer text without markup is no page of a protection

_JSON_HOSTS = re.compile(
    r"https?://[\w.-]{0,80}(?:captcha-delivery\.com|awswaf\.com|/_____tmd_____/)"
    r"|https?://[\w./-]{0,200}/_____tmd_____/"
)
_ALIBABA_CODES = ("FAIL_SYS_USER_VALIDATE", "RGV587_ERROR")


def announces_challenge(reply: Reply) -> bool:
    """Tell whether the headers or a JSON document of an answer say that a challenge stopped us."""
    return _says_header(reply.headers) or (
        len(reply.body) <= _MAX_DOCUMENT
        and reply.body.lstrip().startswith("{")
        and _is_challenge_document(reply.json.value)
    )


def _says_header(headers: Mapping[str, str]) -> bool:
    return any(
        headers.get(name, "").strip().lower() in values for name, values in _HEADERS.items()
    ) or any(name in headers for name in _BLOCK_HEADERS)


def is_challenge_page(reply: Reply) -> bool:
    """Tell whether a page or a bare line is the challenge or the block of a bot protection."""
    body = reply.body[:_MAX_SCANNED]
    if not is_html(body):
        # "Captcha required" as a bare line; a long text may say anything.
        text = normalize_text(body)
        return len(body) <= _MAX_BARE_TEXT and bool(_PAGE.search(text) or _CAPTCHA.search(text))
    page = _ENTITY.sub(_character, body).casefold()
    if _PAGE.search(page) or _PAGE.search(normalize_text(visible_text(body))):
        return True
    if has_app_root(page) and reply.is_success:
        return False  # a web interface may have a captcha for its sign-in
    return (
        _CAPTCHA.search(page) is not None
        or (_COOKIE_SCRIPT.search(page) and _RELOAD_SCRIPT.search(page)) is not None
        or _is_wall(reply, page)
        or _is_denial(reply)
    )


def _is_wall(reply: Reply, page: str) -> bool:
    """Tell whether a page is little but a script, under a status of protections."""
    is_short = len(visible_text(page).strip()) <= _MOST_WALL_TEXT
    return reply.status in _WALL_STATUSES and "<script" in page and is_short


def _is_denial(reply: Reply) -> bool:
    server = reply.headers.get("server", "").lower()
    return reply.status == HTTPStatus.FORBIDDEN and _EDGES_THAT_DENY.search(server) is not None


def _is_challenge_document(value: object) -> bool:
    """Tell whether JSON leads an API client to a challenge: DataDome, HUMAN, Alibaba."""
    if not isinstance(value, Mapping):
        return False
    address = value.get("url") or object_at(value, "data").get("url")
    if isinstance(address, str) and _JSON_HOSTS.match(address):
        return True
    said = value.get("ret")
    names = [str(each) for each in said[:3]] if isinstance(said, list) else []
    return ("appId" in value and bool({"blockScript", "jsClientSrc"} & value.keys())) or any(
        name.startswith(_ALIBABA_CODES) for name in names
    )


def _character(entity: re.Match[str]) -> str:
    return chr(int(entity[1]))
