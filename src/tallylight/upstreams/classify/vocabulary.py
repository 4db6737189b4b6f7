"""Words that tell what went wrong, in English and Chinese.

A text is folded first (`wording.folded`): lower case, half-width, simplified characters, one
space. The first phrase that occurs decides, so the order is part of the rules: what narrows a
meaning stands before what it narrows ("quota resets in 20 s" before "quota", "content failed risk
control" before "risk control"). These are words and short phrases, never whole sentences.

Where no other source is named, a phrase is taken from the vocabulary in `docs/classification.md`.
"""

import re
from dataclasses import dataclass

from tallylight.terms import FailureKind as Kind
from tallylight.upstreams.classify.rules import Rule

_VOCABULARY = "docs/classification.md, vocabulary"
_NEW_API = "QuantumNous/new-api i18n/locales, middleware"
_SORA2API = "TheSmallHanCat/sora2api"
_GOOGLE = "ai.google.dev/gemini-api/docs troubleshooting, Vertex AI"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A rule and the pattern that its words make."""

    rule: Rule
    pattern: re.Pattern[str]


def _phrase(name: str, kind: Kind, *words: str, named: bool = False, source: str = "") -> Phrase:
    rule = Rule(name, kind, source or _VOCABULARY, named)
    return Phrase(rule, re.compile("|".join(f"(?:{word})" for word in words)))


_MONEY = r"balance|credits?|funds?|quota|points|wallet|余额|额度|配额|积分|点数|资源包|算力"
_LIMIT = r"quota|limit|usage|allowance|credits?|额度|配额|限额|次数|上限"
_THING = r"account|user|channel|model|service|product|feature|interface|project|endpoint|api|line"
_OFF = r"suspended|disabled|paused|closed|banned|deactivated|switched off|turned off|locked|frozen"
_BLAMELESS = r"(?! (?:by|due to|because|for) .{0,40}(?:content|safety|polic|moderat|prompt))"
_KEY = r"api[ -]?key|access[ -]?key|secret|token|credentials?|authorization|signature|key"

#: Phrases that decide alone.
TELLING: tuple[Phrase, ...] = (
    # Things that look like something else.
    _phrase(
        "content-risk-control", Kind.CONTENT_REJECTED,
        r"(?:内容|提示词|文本|图片|素材|画面|prompt|content|input).{0,16}(?:风控|risk control)",
        r"(?:风控|risk control).{0,16}(?:内容|提示词|prompt|content)",
        r"(?:pass|passed|通过)\b.{0,12}(?:风控|risk control)", r"风控.{0,6}(?:未|不|没有?)通过",
        source="trap: 风控 also labels refused content; kling task_status_msg",
    ),
    _phrase(
        "pool-empty", Kind.DEGRADED,
        r"no (?:\w+ )?(?:available|usable|healthy) (?:\w+ ){0,2}(?:tokens?|accounts?)",
        r"no (?:available models?|deployments? available|healthy (?:upstream|deployments?))",
        r"(?:没有|无|暂无)(?:任何)?可用的?(?:账号|账户|token|号)", r"(?:所有|全部)(?:账号|token)",
        r"账号池|号池|all (?:\w+ )?(?:accounts|tokens) (?:are|failed|busy|exhausted|in use)",
        r"所有令牌都?已?耗尽", source="sora2api, grok2api, litellm router: an empty pool is no key of ours",
    ),
    _phrase(
        "saturated", Kind.DEGRADED, r"负载(?:已|过)?(?:饱和|满|过高|高)", r"饱和", "saturat",
        "heavy load", source="new-api prints it over any 429: only type and code tell more",
    ),
    _phrase(
        "upstream-refused", Kind.RISK_CONTROL, r"reverse: .{0,60}\b403\b",
        source="chenyme/grok2api reverse modules: a 403 there is Cloudflare or statsig",
    ),
    _phrase(
        "no-channel", Kind.UNKNOWN, "no available channel", r"无可用(?:的)?渠道",
        r"没有可用的?渠道", source="new-api middleware/distributor.go: retired, wrong group or all off",
    ),
    _phrase(
        "model-gone-or-hidden", Kind.RETIRED,
        r"(?:was|is) not found (?:for api version|or your project does not have access)",
        r"model name you specified is not supported", source=f"{_GOOGLE}; kie.ai createTask",
    ),
    _phrase(
        "model-missing", Kind.UNKNOWN,
        r"model\b.{0,80}(?:does not exist|doesn't exist|not exist|not found|is not available)",
        r"(?:模型|资源).{0,40}(?:不存在|未找到|找不到)",
        source="one such answer cannot tell a retired model from a wrong name",
    ),
    # Money.
    _phrase(
        "budget-in-flight", Kind.RATE_LIMITED, r"in[- ]flight", r"rolling \d+[- ]?min",
        source="openrouter.ai errors; Gemini spend caps clear within minutes",
    ),
    _phrase(
        "limit-per-day", Kind.QUOTA,
        r"(?:daily|monthly|weekly)\b.{0,40}(?:limit|quota|allowance|cap|budget|credits?)",
        rf"(?:{_LIMIT}).{{0,40}}\b(?:per[ -]?(?:day|month)|today|daily|for the (?:day|month))\b",
        r"per[ -](?:day|month)\b", r"(?:每日|每天|当日|当天|今日|今天|本日|每月|本月|单日).{0,16}"
        r"(?:上限|限额|额度|次数|配额|限制|用完|用尽)", r"within 24 hours|24小时",
    ),
    _phrase(
        "limit-that-resets", Kind.RATE_LIMITED,
        rf"(?:{_LIMIT}).{{0,80}}(?:reset|refresh|recover|try again|retry|available again|恢复|重置|"
        r"刷新|再试|重试).{0,30}\d+ ?(?:s|m|h|秒|分|小时)",
        rf"(?:{_LIMIT}).{{0,60}}(?:per|every|each|每) ?(?:second|minute|min\b|hour|秒|分钟|小时)",
        source="trap: a quota with a reset time is a rate limit",
    ),
    _phrase(
        "wallet-empty", Kind.QUOTA,
        rf"(?:insufficient|(?:not|n.t) (?:have )?enough|no (?:more|remaining)|negative|out of) (?:\w+ )?(?:{_MONEY})",
        rf"(?:{_MONEY})\b.{{0,24}}(?:insufficient|exhausted|depleted|used up|too low|not enough|"
        r"has run out|ran out|is empty|below)",
        rf"(?:{_MONEY}).{{0,8}}(?:不足|不够|用尽|耗尽|用完|已空|透支|为0|过期|扣费失败)",
        rf"(?:exhausted|exceeded|used (?:up )?all|run out of|ran out of)\b.{{0,30}}(?:{_MONEY})",
        rf"(?:{_MONEY})\b.{{0,20}}(?:exceeded|reached)", "top[ -]?up|recharge|add (?:more )?credits",
        "欠费|预扣费|充值|续费|扣费失败", r"arrears|overdue|outstanding (?:balance|invoice)|unpaid",
    ),
    _phrase(
        "billing", Kind.QUOTA, r"billing", "payment (?:required|method|failed)", r"limit: 0\b",
        r"spend(?:ing)? (?:limit|cap)", "purchase (?:more|a|credits)", r"subscri\w+.{0,20}"
        r"(?:expired|inactive|required|ended)", r"套餐.{0,8}(?:过期|到期|用完|用尽|不足)|购买套餐",
    ),
    # What the answer names outright.
    _phrase(
        "maintenance", Kind.MAINTENANCE, "maintenance|under maintain", "维护|停机|停服升级",
        r"(?:is|being|are|we're) upgrad|upgrading", r"升级中|正在升级|系统升级|升级公告", named=True,
    ),
    _phrase(
        "key-off", Kind.AUTH, rf"(?:{_KEY})\b.{{0,24}}(?:{_OFF}|inactive|expired|revoked|deleted)",
        r"(?:令牌|密钥|秘钥|key).{0,12}(?:禁用|不可用|停用|封禁|过期|失效|吊销)",
    ),
    _phrase(
        "switched-off", Kind.SUSPENDED, r"\bpaused\b|temporarily (?:suspended|disabled|closed)",
        rf"\b(?:{_THING})s?\b.{{0,40}}\b(?:{_OFF})\b", rf"\b(?:{_OFF}) (?:the |this |your )?(?:{_THING})\b",
        rf"\b(?:{_THING}) (?:\w+ )?(?:is |has been |was )?blocked{_BLAMELESS}",
        r"(?:service|generation|access) (?:has been |is |was )?(?:suspended|halted|stopped)",
        r"暂停|停用|封禁|封号|被封|关停|暂时(?:关闭|下线|停止)|临时(?:关闭|下线)",
        r"(?:渠道|用户|账号|账户|模型|功能|服务|接口|通道|线路|分组).{0,12}(?:禁用|关闭|冻结|未启用|停止)",
        named=True, source=f"{_VOCABULARY}; {_NEW_API}",
    ),
    _phrase(
        "gone", Kind.RETIRED,
        r"no longer (?:available|supported|offered|exists?|in service|provided|accessible)",
        r"(?:has|have|was|were|is|are|been|being)\b.{0,16}(?:deprecated|retired|discontinued|"
        r"decommissioned|sunset(?:ted)?|phased out|shut ?down|removed|terminated|end[- ]of[- ]life)",
        r"end[- ]of[- ]life|(?:permanently|officially) (?:closed|removed|unavailable|shut)",
        r"shut ?down (?:on|since|in)|ceased",
        r"下线|下架|退役|弃用|废弃|停止(?:服务|支持|提供|运营)|不再(?:支持|提供|可用|开放|维护)|停服",
        named=True,
    ),
    # Defences against robots.
    _phrase(
        "risk-control", Kind.RISK_CONTROL, r"风控|risk[- _]?control|风险控制", named=True,
    ),
    _phrase(
        "challenge", Kind.RISK_CONTROL,
        r"cloudflare.{0,20}(?:challenge|block|shield|turnstile|盾|验证|拦截)", r"cf[_ -]?(?:shield|盾|clearance)",
        r"(?:触发|过|5秒)盾|盾拦截", r"captcha|turnstile|人机(?:验证|校验)|滑块",
        r"just a moment|attention required!|checking your browser|verify (?:that )?you are human",
        r"sentinel|proof[- ]of[- ]work|\bpow\b|statsig|anti-?bot|bot (?:detect|protect|activit)",
        "something didn't look right", "oai-did", "unable to process request", source=f"{_VOCABULARY}; {_SORA2API}",
    ),
    _phrase(
        "suspicion", Kind.RISK_CONTROL,
        r"(?:unusual|suspicious|abnormal|automated|fraud\w*|malicious) (?:\w+ )?(?:activit|traffic|"
        r"behaviou?r|request|usage|login)", r"(?:账号|行为|流量|请求|环境|活动|访问)异常|异常(?:行为|流量|活动|请求|登录)",
        r"检测到异常", r"phone[ _](?:number[ _])?(?:is )?(?:required|verif)|verify your phone|绑定手机|手机号?验证",
        r"\bip\b.{0,20}(?:banned|blocked|blacklist|flagged|reputation)|ip.{0,6}(?:被封|封禁|拉黑|限制访问)",
        r"unsupported_country_code",
    ),
    # Pace.
    _phrase(
        "pace", Kind.RATE_LIMITED, r"rate[ -_]?limit", r"too (?:many|much) (?:\w+ ){0,2}(?:requests?|tasks?|"
        r"jobs?|generations?|concurren\w*|calls|traffic)", "too many (?:requests|pending)", "slow down|throttl",
        r"concurren(?:t|cy)|parallel (?:task|job|request)|simultaneous",
        r"requests? per|per (?:second|minute|min\b)|\b[rtqi]p[ms]\b|too (?:fast|frequent|quickly)",
        r"frequency|queue\w* (?:is |has )?(?:full|max|limit|exceed)|(?:unfinished|pending|active|running) (?:jobs|tasks).{0,20}(?:limit|max|queued)",
        r"并发|限流|限速|频率|频繁|请求(?:数|次数|量)?(?:限制|过多|太多|过快|超限|超过)|请求数|次数限制",
        r"\d ?分钟内|\d ?秒内|每分钟|每秒|过快|排队.{0,6}(?:满|上限)|任务数.{0,6}(?:上限|限制|超)|limit reached|限速",
    ),
    # Content.
    _phrase(
        "account-settings", Kind.AUTH, r"your (?:\w+ )?(?:guardrail|privacy|data policy|account settings)",
        r"data policy|settings/privacy", source="openrouter.ai/docs: the account's own restrictions",
    ),
    _phrase(
        "content-policy", Kind.CONTENT_REJECTED,
        r"moderat(?:ion|ed)|content (?:policy|policies|filter|safety|security|review|guideline|polic|check|"
        r"violation|standard|restriction)", r"safety (?:system|filter|polic|guideline|check|setting|"
        r"reason|concern|violation)|(?:usage|community|acceptable use) (?:polic|guideline|standard)",
        r"responsible ai|sensitive|inappropriate|unsafe|nsfw|nudity|sexual|explicit|violen(?:t|ce)|harmful",
        r"prohibited|violat\w+.{0,40}(?:polic|guideline|terms|rule|standard)|copyright|trademark|third-party (?:content|similarit)",
        r"guardrail|similarity to|likeness|real (?:person|people)|public figure|celebrit|minors?\b|photorealistic people",
        r"违规|违禁|敏感|不合规|不当内容|色情|涉黄|暴力|涉政|内容安全|内容审核|审核(?:未|不|没|失败|拒绝)|"
        r"(?:未|没有?|不)通过(?:\w{0,6})?审|版权|侵权|肖像|真人|人脸|名人|违反.{0,12}(?:政策|规定|准则|规范|条款)",
        source=f"{_VOCABULARY}; kling, MiniMax, Ark, DashScope moderation texts",
    ),
    _phrase(
        "refused-prompt", Kind.CONTENT_REJECTED,
        r"(?:prompt|input|output|image|generation|request|content)\b.{0,30}(?:rejected|refused|blocked|flagged|filtered)",
        r"(?:reject|refus|block|flag)\w* (?:the|your|this) (?:prompt|input|image|content|generation)",
        r"flagged|could not generate .{0,20}based on the prompt|rephras|blocked by|i can(?:no|')t (?:create|generate|help)",
        r"提示词.{0,12}(?:不|被|拒|违|修改)|(?:被|已)拒绝(?:生成|处理)|拒绝生成",
    ),
    # Keys.
    _phrase(
        "key", Kind.AUTH,
        rf"(?:invalid|incorrect|wrong|missing|expired|unknown|malformed|bad|no|empty)\b.{{0,16}}\b(?:{_KEY})\b",
        rf"\b(?:{_KEY})s?\b.{{0,24}}\b(?:invalid|incorrect|not valid|expired|not found|missing|revoked|leaked|"
        r"required|empty|failed|not provided|wrong|does not match|not match)",
        r"provide an api key|unauthori[sz]ed|unauthenticated|not authenticated|authenticat\w+|not logged in|log ?in fail|please log ?in",
        r"(?:令牌|密钥|秘钥|签名|凭证|鉴权|认证|身份验证|api key|token).{0,10}(?:无效|过期|错误|失败|失效|不存在|不正确|为空|非法)",
        r"无效的(?:令牌|密钥|key|token|api)|未提供(?:令牌|密钥|token|key|api)|未授权|未登录|请先登录|登录失败",
        source=f"{_VOCABULARY}; {_NEW_API}",
    ),
    _phrase(
        "permission", Kind.AUTH,
        r"permission|not (?:authori[sz]ed|allowed to|entitled|eligible|permitted)|access (?:is )?denied|no access",
        r"(?:do|does)(?: not|n't) have (?:\w+ )?access|not have the|member of an organization|must be verified",
        r"verif(?:y|ied|ication).{0,24}(?:organi[sz]ation|identity|account|email)|real[- ]name",
        r"(?:country|region|territory|location)\b.{0,30}not (?:supported|available|allowed)|not available in your (?:country|region)",
        r"(?:allow|white)[- ]?list|not (?:been )?(?:activated|enabled|subscribed)|has not been used in project|user (?:was )?not found",
        r"upgrade (?:your|to)|requires? (?:a |an )?(?:\w+ )?(?:subscription|plan|tier)",
        r"无权|没有权限|权限不足|无权限|白名单|实名|未开通|未激活|不在(?:允许|白名单)|不允许访问|令牌允许|分组.{0,6}(?:无权|不可用)",
    ),
    # The service's own trouble.
    _phrase(
        "overload", Kind.DEGRADED, r"overload|high (?:demand|load|traffic|volume)|(?:server|system|service)s?\b.{0,12}busy|"
        r"at capacity|over capacity|out of capacity|capacity (?:limit|exceeded|is)|no capacity|too busy",
        r"繁忙|拥挤|拥堵|过载|高峰|负荷|忙碌|算力不足|资源不足|资源紧张|积压",
    ),
    _phrase(
        "too-slow", Kind.DEGRADED, r"time[ds]?[ -]?out|超时|timeout|did not (?:answer|respond|complete|finish) in time",
        r"exceeded \d+ ?(?:s\b|seconds?|minutes?)|deadline|took too long|没有响应|无响应",
    ),
    _phrase(
        "connection", Kind.DEGRADED,
        r"connection (?:was )?(?:re|ab|cl|err|timed|lost|fail|broken|term)|connect (?:error|failed|etimedout)|remote end closed",
        r"econn|enotfound|socket hang|broken pipe|\beof\b|certificate|\bssl\b|\btls\b|\bdns\b|name or service not known|dial tcp|curl:",
        r"upstream (?:error|service|connect|server|request|api|prematurely|timed|model|provider|returned|status)|upstream\b.{0,20}fail",
        r"bad gateway|gateway time|urlopen|network (?:error|is)|proxy error|请求上游|上游(?:服务|接口|返回|错误|异常|请求|地址)|网络(?:错误|异常|连接)|连接(?:失败|被|错误|重置|关闭)",
    ),
    _phrase(
        "not-done-yet", Kind.INVALID_REQUEST,
        r"(?:still|not)\b.{0,12}(?:in[- ]progress|completed? yet|ready yet|finished yet|available yet|processing)",
        r"not (?:yet )?(?:completed?|ready|finished)\b", r"(?:任务|视频).{0,8}(?:未完成|进行中|处理中|未生成)",
        source="vLLM-Omni 0.30, new-api controller/video_proxy.go",
    ),
    _phrase(
        "no-such-job", Kind.INVALID_REQUEST,
        r"(?:task|video|job|generation|file|operation|asset|request id|interaction)\b.{0,60}(?:not (?:found|exist)|does(?: not|n't) exist|expired)",
        r"(?:任务|视频|文件).{0,12}(?:不存在|未找到|已过期|找不到)", r"task_not_exist|invalid (?:task|video|job)",
    ),
    _phrase(
        "bad-parameter", Kind.INVALID_REQUEST,
        r"\bis (?:a )?required\b|required (?:field|param|property|argument)|missing (?:required |one or )?(?:\w+ )?(?:param|field|prompt|argument|input|model)",
        r"\bmust (?:be|not|have|match|contain|provide)|should (?:be|have|match)|expected (?:one of|a|an|string|int)|cannot (?:both )?be (?:set|used|empty|null|both)|cannot both",
        r"(?:invalid|illegal|unsupported|unknown|unrecogni[sz]ed|bad|wrong|unexpected) (?:\w+ )?(?:type|value|param\w*|argument|field|size|model|format|"
        r"prompt|image|url|json|duration|seconds|resolution|aspect|ratio|input|body|request body|mode|channel)",
        r"(?:not|isn't|unsupported) (?:a )?(?:supported|valid|allowed)\b|does(?: not|n't) support|too (?:long|large|short|small|big)",
        r"exceeds? (?:the )?(?:max\w*|limit|allowed|size)|out of range|malformed|unprocessable|constraint|not satisfied",
        r"(?:could not|cannot|failed to|unable to) (?:be )?(?:read|decode|download|load|parse|fetch)\w*.{0,24}(?:image|file|asset|url|media|input|body|json)",
        r"(?:image|file|asset|media)\b.{0,20}could not be|unexpected end of json",
        r"未指定|不能为空|缺少|缺失|参数|无效的(?:请求|渠道|模型|图片|链接)|不支持|格式(?:错误|不|有误)|不合法|超出(?:范围|限制)|必填|尺寸|分辨率.{0,6}(?:不|错)",
    ),
)  # fmt: skip

#: Words that say only that something failed: read after the statuses that tell more.
VAGUE: tuple[Phrase, ...] = (
    _phrase(
        "own-trouble", Kind.DEGRADED,
        r"internal (?:\w+ )?error|internal server|unexpected error|server error|service (?:is )?(?:temporarily )?unavailable|(?:temporarily|currently) unavailable",
        r"out of memory|\bcuda\b|\bgpu\b|engine|worker|crash|panic|traceback|exception|provider (?:returned|error|failed)|database|redis",
        r"(?:generation|task|job|video|request|render\w*) (?:has )?failed|failed to (?:generate|create|process|get|fetch|submit)|something went wrong|an error occurred|unknown error",
        r"no (?:response|result|output|video|content|runner|worker)|empty response|not initialized",
        r"生成失败|任务失败|处理失败|创建失败|提交失败|获取.{0,40}失败|系统(?:错误|异常)|服务(?:异常|错误|不可用|器)|内部错误|未知错误|数据库|稍后(?:再试|重试)|try again",
    ),
)  # fmt: skip


def telling(words: str) -> Rule | None:
    """Return the rule of the first phrase that occurs in a folded text and decides alone."""
    return _first(TELLING, words)


def vague(words: str) -> Rule | None:
    """Return the rule for a folded text that at least says that something failed."""
    return _first(VAGUE, words)


def rule_of(words: str) -> Rule | None:
    """Return the rule of the first phrase of either table that occurs in a folded text."""
    return telling(words) or vague(words)


def _first(phrases: tuple[Phrase, ...], words: str) -> Rule | None:
    return next((phrase.rule for phrase in phrases if phrase.pattern.search(words)), None)
