"""Phrases for the state and the failures of the service."""

from tallylight.model.evidence import FailureKind as Kind
from tallylight.upstreams.classify.rules import VOCABULARY, Phrase, phrase

_SUBJECT = r"account|user|channel|model|service|product|feature|interface|project|endpoint|api|line"
_DISABLED = (
    r"suspended|disabled|paused|closed|banned|deactivated|switched off|turned off|locked|frozen"
)
_NOT_ABOUT_CONTENT = (
    r"(?! (?:by|due to|because|for) .{0,40}(?:content|safety|polic|moderat|prompt))"
)
_MAKERS = "sora|veo|grok|flow|gemini|chatgpt|kling|runway|jimeng|dreamina|hailuo|vidu"
_SELLERS = f"upstream|pool|provider|seller|backend|google|openai|{_MAKERS}"
_CHINESE_SELLERS = "上游|源站|号池|平台方|供应商|卖家|即梦|可灵|海螺"
_POOL_ACCOUNT = "(?:accounts?|sessions?|logins?|cookies?|memberships?|subscriptions?)"
_LOST = (
    r"expired|invalid|logged out|banned|disabled|suspended|deactivated|blocked|unavailable|"
    r"exhausted|cool\w{0,8}|lapsed"
)
_NEW_API = "QuantumNous/new-api i18n/locales, middleware"
_SORA2API = "TheSmallHanCat/sora2api"
_GOOGLE = "ai.google.dev/gemini-api/docs troubleshooting, Vertex AI"

#: Failures that look like a fault of ours.
UPSTREAM_LOOKALIKES: tuple[Phrase, ...] = (
    phrase(
        "no-account-available",
        Kind.DEGRADED,
        r"no (?:\w+ )?(?:available|usable|healthy) (?:\w+ ){0,2}(?:tokens?|accounts?)",
        r"no (?:available models?|deployments? available|healthy (?:upstream|deployments?))",
        r"(?:没有|无|暂无)(?:任何)?可用的?(?:账号|账户|token|号)",
        r"(?:所有|全部)(?:账号|token)",
        r"账号池|号池|all (?:\w+ )?(?:accounts|tokens) (?:are|failed|busy|exhausted|in use)",
        r"所有令牌都?已?耗尽",
        r"(?:利用可能な|使用可能な|空き)(?:アカウント|トークン).{0,6}(?:ありません|がない|なし)",
        source="sora2api, grok2api, litellm router: an empty pool is no key of ours",
    ),
    phrase(
        "pool-account",
        Kind.DEGRADED,
        rf"(?<!your )\b(?:{_SELLERS})(?:'s)? (?:\w+ )?{_POOL_ACCOUNT}\b.{{0,30}}(?:{_LOST})",
        r"(?<!your )\b(?:session(?! token)|cookies?|refresh[ _]token)\b.{0,16}(?:expired|invalid)",
        r"(?<!your )\baccounts? (?:is |are |has |have |was )?(?:been )?(?:expired|logged out)",
        (
            rf"(?:{_CHINESE_SELLERS}|{_MAKERS}).{{0,3}}(?:账号|账户|帐号|会员|订阅|登录|cookie|session)"
            r".{0,12}(?:过期|失效|到期|被封|封禁|异常|掉线|不可用|禁用)"
        ),
        r"(?:cookie|session|登录态).{0,6}(?:过期|失效|掉线)",
        r"(?:上流|提供元|プール).{0,6}アカウント.{0,12}(?:期限|切れ|失効|停止|無効|凍結|利用でき)",
        source="sora2api, grok2api: an account of the seller is no key of ours",
    ),
    phrase(
        "saturated",
        Kind.DEGRADED,
        r"负载(?:已|过)?(?:饱和|满|过高|高)",
        r"饱和",
        "saturat",
        "heavy load",
        source="new-api prints it over any 429: only type and code tell more",
    ),
    phrase(
        "upstream-refused",
        Kind.RISK_CONTROL,
        r"reverse: .{0,60}\b403\b",
        source="chenyme/grok2api reverse modules: a 403 there is Cloudflare or statsig",
    ),
    phrase(
        "no-channel",
        Kind.UNKNOWN,
        "no available channel",
        r"无可用(?:的)?渠道",
        r"没有可用的?渠道",
        source="new-api middleware/distributor.go: retired, wrong group or all off",
    ),
    phrase(
        "model-gone-or-hidden",
        Kind.RETIRED,
        r"(?:was|is) not found (?:for api version|or your project does not have access)",
        r"model name\b.{0,24}not supported",
        source=f"{_GOOGLE}; kie.ai createTask",
    ),
    phrase(
        "model-missing",
        Kind.UNKNOWN,
        r"model\b.{0,80}(?:does not exist|doesn't exist|not exist|not found|is not available)",
        r"(?:模型|资源).{0,40}(?:不存在|未找到|找不到)",
        r"モデル.{0,30}(?:見つかりません|存在しません|見つからない)",
        source="one such answer cannot tell a retired model from a wrong name",
    ),
)

#: Announced maintenance.
MAINTENANCE_NOTICES: tuple[Phrase, ...] = (
    phrase(
        "maintenance",
        Kind.MAINTENANCE,
        "maintenance|under maintain",
        "维护|停机|停服升级",
        r"(?:is|being|are|we're) upgrad|upgrading",
        r"升级中|正在升级|系统升级|升级公告",
        r"メンテナンス|メンテ中|保守(?:作業|点検)|システム更新|アップデート(?:中|作業)|緊急点検",
        named=True,
    ),
)

#: Disabled and retired services.
SERVICE_STATES: tuple[Phrase, ...] = (
    phrase(
        "gone-for-good",
        Kind.RETIRED,
        r"permanently (?:closed|removed|disabled|offline|shut|withdrawn)|永久(?:关闭|下线|停)",
        r"不再(?:支持|提供|开放)(?:调用|服务|访问|使用)",
        named=True,
    ),
    phrase(
        "service-disabled",
        Kind.SUSPENDED,
        r"\bpaused\b|temporarily (?:suspended|disabled|closed|withdrawn|removed|stopped|halted)",
        r"(?:switched|turned) (?:it|them|this|\w+ \w+) off",
        rf"\b(?:{_SUBJECT})s?\b.{{0,40}}\b(?:{_DISABLED})\b",
        rf"\b(?:{_DISABLED}) (?:the |this |your )?(?:{_SUBJECT})\b",
        rf"\b(?:{_SUBJECT}) (?:\w+ )?(?:is |has been |was )?blocked{_NOT_ABOUT_CONTENT}",
        r"(?:service|generation|access) (?:has been |is |was )?(?:suspended|halted|stopped)",
        r"\b(?:account|user)\b.{0,40}terminated",
        r"封禁|封号|被封|(?:暂时|临时)(?:关闭|下线|停止|下架)",
        (
            r"(?:渠道|用户|账号|账户|模型|功能|服务|接口|通道|线路|分组).{0,12}(?:禁用|"
            r"关闭|冻结|未启用|停止)"
        ),
        r"until further notice|(?:taken|gone|went|now|currently|temporarily) offline",
        rf"\b(?:{_SUBJECT})s?\b.{{0,30}}\b(?:is|are|was|been|currently|now) (?:\w+ )?offline",
        r"not (?:currently |being )?(?:offered|sold|served) (?:at the moment|right now|for now)",
        r"(?:currently|temporarily|presently) not (?:being )?(?:offered|sold|provided|in service)",
        r"(?:out of|withdrawn from) service|on hold|(?:service|sales?) (?:is |are )?halted",
        r"(?:暂不|暂未|暂时不|暂时无法|目前不|现不)(?:对外)?(?:提供|开放|供应|对外|销售|售卖|支持访问)",
        r"停止对外|暂停|停用|关停|下架整改|(?:恢复时间|恢复)(?:待定|未定|另行)|另行(?:通知|公告)",
        r"(?:提供|サービス|受付|販売|生成|利用|機能|モデル|回線|チャンネル|api|アカウント)[のはをが].{0,8}(?:停止|休止|凍結|中断)",
        r"(?:サービス|提供|利用|受付|販売)(?:一時)?(?:停止|休止)",
        r"(?:一時|当面|しばらく|現在).{0,8}(?:停止|休止|中止|中断)|見合わせ|再開(?:時期|予定|日|の目処|のめど|まで)",
        r"当面の間|追って(?:お知らせ|ご案内)|別途(?:お知らせ|ご案内)|アカウント.{0,8}(?:凍結|無効化)",
        named=True,
        source=f"{VOCABULARY}; {_NEW_API}",
    ),
    phrase(
        "retired",
        Kind.RETIRED,
        r"no longer (?:available|supported|offered|exists?|in service|provided|accessible)",
        (
            r"(?:has|have|was|were|is|are|been|being)\b.{0,16}(?:deprecated|retired|"
            r"discontinued|decommissioned|sunset(?:ted)?|phased out|shut ?down|removed|"
            r"terminated|end[- ]of[- ]life)"
        ),
        r"end[- ]of[- ]life|(?:permanently|officially) (?:closed|removed|unavailable|shut)",
        r"shut ?down (?:on|since|in)|ceased",
        r"下线|下架|退役|弃用|废弃|停止(?:服务|支持|提供|运营)",
        r"不再(?:支持|提供|可用|开放|维护)|停服",
        r"end of (?:its |their )?(?:service )?li(?:fe|ves)|retirement date|withdrawn permanently",
        r"(?:提供|サービス|サポート|公開|販売|配信|運用).{0,6}終了|廃止|非推奨|後継モデル|サ終",
        r"(?:利用|使用)できなくなりました|提供されなくなりました|(?:すでに|既に).{0,8}(?:提供されて|存在しません)",
        named=True,
    ),
)

#: Risk control and bot detection.
BOT_DETECTION: tuple[Phrase, ...] = (
    phrase(
        "risk-control",
        Kind.RISK_CONTROL,
        r"风控|risk[- _]?control|风险控制",
        named=True,
    ),
    phrase(
        "challenge",
        Kind.RISK_CONTROL,
        r"cloudflare.{0,20}(?:challenge|block|shield|turnstile|盾|验证|拦截)",
        r"cf[_ -]?(?:shield|盾|clearance)",
        r"(?:触发|过|5秒)盾|盾拦截",
        r"captcha|turnstile|human verif|人机(?:验证|校验)|滑块",
        r"just a moment|attention required!|checking your browser|verify (?:that )?you are human",
        r"sentinel|proof[- ]of[- ]work|\bpow\b|statsig|anti-?bot|bot (?:detect|protect|activit)",
        "something didn't look right",
        "oai-did",
        "unable to process request",
        r"画像認証|人間であること|ロボットで(?:は|ない)|ボット(?:の|による|と判定|検知|対策)|セキュリティ(?:チェック|検証)",
        source=f"{VOCABULARY}; {_SORA2API}",
    ),
    phrase(
        "suspicious-activity",
        Kind.RISK_CONTROL,
        (
            r"(?:unusual|suspicious|abnormal|automated|fraud\w{0,12}|"
            r"malicious) (?:\w+ )?(?:activit|traffic|behaviou?r|request|usage|login)"
        ),
        r"(?:账号|行为|流量|请求|环境|活动|访问)异常|异常(?:行为|流量|活动|请求|登录)",
        r"检测到异常",
        r"phone[ _](?:number[ _])?(?:is )?(?:required|verif)|verify your phone|绑定手机",
        r"手机号?验证",
        r"\bip\b.{0,20}(?:banned|blocked|blacklist|flagged|reputation)",
        r"ip.{0,6}(?:被封|封禁|拉黑|限制访问)",
        r"unsupported_country_code",
        r"不審|不正(?:な)?(?:アクセス|利用|操作|ログイン|行為)|異常な(?:アクセス|操作|トラフィック|リクエスト|行動)",
        r"(?:電話番号|携帯).{0,8}(?:認証|確認|必要)|ip.{0,12}(?:ブロック|遮断|制限され)|リスク(?:管理|検知|制御)",
    ),
)

#: Overload, time-outs and network failures.
SERVICE_FAILURES: tuple[Phrase, ...] = (
    phrase(
        "overload",
        Kind.DEGRADED,
        r"overload|high (?:demand|load|traffic|volume)",
        r"(?:server|system|service)s?\b.{0,12}busy|at capacity|over capacity",
        r"out of capacity|capacity (?:limit|exceeded|is)|no capacity|too busy",
        r"繁忙|拥挤|拥堵|过载|高峰|负荷|忙碌|算力不足|资源不足|资源紧张|积压",
        r"混み合|混雑|集中して|過負荷|高負荷|負荷が|容量不足|リソース.{0,3}不足|アクセス集中",
    ),
    phrase(
        "too-slow",
        Kind.DEGRADED,
        r"time[ds]?[ -]?out|超时|timeout|did not (?:answer|respond|complete|finish) in time",
        r"exceeded \d+ ?(?:s\b|seconds?|minutes?)|deadline|took too long|没有响应|无响应",
        r"タイムアウト|時間切れ|応答(?:が|は)?(?:ありません|ない|なし)|応答しま",
    ),
    phrase(
        "connection",
        Kind.DEGRADED,
        r"connection (?:was )?(?:re|ab|cl|err|timed|lost|fail|broken|term)",
        r"connect (?:error|failed|etimedout)|remote end closed",
        r"econn|enotfound|socket hang|broken pipe|\beof\b|certificate|\bssl\b|\btls\b",
        r"\bdns\b|name or service not known|dial tcp|curl:",
        (
            r"upstream (?:error|service|connect|server|request|api|prematurely|timed|"
            r"model|provider|returned|status)"
        ),
        r"upstream\b.{0,20}fail",
        r"bad gateway|gateway time|urlopen|network (?:error|is)|proxy error|请求上游",
        r"上游(?:服务|接口|返回|错误|异常|请求|地址)|网络(?:错误|异常|连接)",
        r"连接(?:失败|被|错误|重置|关闭)",
        r"(?:接続|通信|ネットワーク|上流).{0,8}(?:失敗|エラー|できません|切断|障害|不良)|障害(?:が|の|発生)|不具合",
    ),
)

#: Phrases that only report a failure: of the service, or of the work or the request.
FAILED_WORK_PHRASE = phrase(
    "work-failed",
    Kind.DEGRADED,
    r"(?:generation|task|job|video|request|render\w{0,12}) (?:has )?failed",
    r"failed to (?:generate|create|process|get|fetch|submit|cancel|list|query)",
    r"生成失败|任务失败|处理失败|创建失败|提交失败|取消失败|查询失败|获取.{0,40}失败",
    r"失敗しました|できませんでした",
)
GENERIC_FAILURES: tuple[Phrase, ...] = (
    phrase(
        "service-failure",
        Kind.DEGRADED,
        r"internal (?:\w+ )?error|internal server|unexpected error|server error",
        r"service (?:is )?(?:temporarily )?unavailable",
        r"(?:temporarily|currently) unavailable",
        r"out of memory|\bcuda\b|\bgpu\b|engine|worker|crash|panic|traceback|exception",
        r"provider (?:returned|error|failed)|database|redis",
        r"something went wrong|an error occurred|unknown error",
        r"no (?:response|result|output|video|content|runner|worker)|empty response|not initialized",
        r"系统(?:错误|异常)|服务(?:异常|错误|不可用|器)|内部错误|未知错误|数据库|稍后(?:再试|重试)",
        r"内部エラー|サーバーエラー|予期しない|エラーが発生|しばらく.{0,12}(?:再|お試し|もう一度)|再度お試し",
        r"try again",
    ),
    FAILED_WORK_PHRASE,
)
