"""Phrases for failures that we caused: our balance, our request rate, our key."""

from tallylight.model.evidence import FailureKind as Kind
from tallylight.upstreams.classify.rules import VOCABULARY, Phrase, phrase

_BALANCE = r"balance|credits?|funds?|quota|points|wallet|余额|额度|配额|积分|点数|资源包|算力"
_LIMIT = r"quota|limit|usage|allowance|credits?|额度|配额|限额|次数|上限"
_DISABLED = (
    r"suspended|disabled|paused|closed|banned|deactivated|switched off|turned off|locked|frozen"
)
_PERIOD = "(?:day|week|month)"
_THIS_PERIOD = rf"(?:today|(?:for the|this) {_PERIOD})"
_WEEKDAY = "mon|tue|wed|thu|fri|sat|sun"
_KEY = r"api[ -]?key|access[ -]?key|secret|token|credentials?|authorization|signature|key"
_NEW_API = "QuantumNous/new-api i18n/locales, middleware"

#: The cap of a day, a week or a month.
LONG_LIMIT = phrase(
    "limit-per-day",
    Kind.QUOTA,
    r"(?:daily|weekly|monthly)\b.{0,40}(?:limit|quota|allowance|cap|budget|credits?|maximum)",
    rf"(?:{_LIMIT}).{{0,40}}\b(?:per[ -]?{_PERIOD}|daily|today|(?:for the|this) {_PERIOD})\b",
    rf"(?:used|reached|exceeded|hit|exhausted|maximum)\b.{{0,40}}\b{_THIS_PERIOD}\b",
    rf"per[ -]{_PERIOD}\b|\brpd\b|(?:try again|come back|retry|resets?) (?:tomorrow|at midnight)",
    rf"(?:{_LIMIT}|used|reached|exceeded|maximum|up to)\b.{{0,40}}\b24[ -]?h(?:(?:ou)?rs?)?\b",
    rf"\b24[ -]?h(?:(?:ou)?rs?)? (?:\w+ ){{0,2}}(?:{_LIMIT}|cap|window)",
    rf"(?:requests?|videos?|generations?|images?|tasks?|calls?) ?/ ?{_PERIOD}\b",
    (
        r"(?:每日|每天|每周|每月|当日|当天|今日|今天|本日|本周|本月|单日|24小时).{0,16}(?:上限|"
        r"限额|额度|次数|配额|限制|用完|用尽|耗尽|最多)"
    ),
    r"日(?:限额|上限|配额)|(?:每日|每天|每周|每月).{0,4}(?:仅限|只能|限)|(?:上限|限额|次数|配额|最多).{0,16}24小时",
    r"(?:明天|明日|次日|隔天|零点).{0,8}(?:再试|重试|再来|重置|恢复|刷新)",
    (
        r"(?:本日|一日|1日|日次|毎日|今週|週次|週間|今月|月間|月次|1か月|1ヶ月|24時間).{0,12}"
        r"(?:上限|制限|枠|限度|回数|達し)"
    ),
    r"(?:明日|翌日).{0,8}(?:リセット|回復|再度|以降)",
)
#: A limit that names the date or the hour at which it ends, as those of a day do.
DATED_LIMIT = phrase(
    "limit-until-a-date",
    Kind.QUOTA,
    (
        rf"(?:quota|usage|allowance|credits?|(?<!rate )(?<!rate_)\blimit)\b.{{0,60}}\bresets? "
        rf"(?:at|on) (?:\d|{_WEEKDAY})"
    ),
)
#: Their period, which a code of rate limits does not tell.
LONG_LIMITS = frozenset({LONG_LIMIT.rule, DATED_LIMIT.rule})

#: Balances, plans and quotas; what clears within minutes comes first.
BALANCE: tuple[Phrase, ...] = (
    phrase(
        "budget-in-flight",
        Kind.RATE_LIMITED,
        r"in[- ]flight",
        r"rolling \d+[- ]?min",
        source="openrouter.ai errors; Gemini spend caps clear within minutes",
    ),
    phrase(
        "limit-that-clears-soon",
        Kind.RATE_LIMITED,
        (
            rf"(?:per[ -]{_PERIOD}|\brpd|daily)\b.{{0,120}}(?:try again|retry|resets?) "
            r"(?:in|after) (?:~|about )?\d+(?:\.\d+)? ?(?:ms|s|m|sec\w*|min\w*)(?![a-z])"
        ),
        source="platform.openai.com rate limits: the requests of a day refill one by one",
    ),
    LONG_LIMIT,
    phrase(
        "limit-that-resets",
        Kind.RATE_LIMITED,
        (
            rf"(?:{_LIMIT}).{{0,80}}(?:reset|refresh|recover|try again|retry|"
            rf"available again|恢复|重置|刷新|再试|重试).{{0,30}}\d+ ?(?:s|m|h|秒|分|小时)"
        ),
        rf"(?:{_LIMIT}).{{0,60}}(?:per|every|each|每) ?(?:second|minute|min\b|hour|秒|分钟|小时)",
        r"(?:上限|制限|クォータ).{0,40}\d+ ?(?:秒|分|時間)後",
        r"quota exceeded for aiplatform\.googleapis\.com/\w{0,60}(?:requests|tokens)",
        r"(?:毎分|1分|毎秒|1秒|1時間)(?:あたり|間)?.{0,16}(?:上限|制限|まで|回)",
        source="trap: a quota with a reset time is a rate limit",
    ),
    DATED_LIMIT,
    phrase(
        "balance-empty",
        Kind.QUOTA,
        (
            rf"(?:insufficient|(?:not|n.t) (?:have )?(?:enough|any)|no (?:more|remaining)|"
            rf"negative|out of) (?:\w+ ){{0,2}}(?:{_BALANCE})"
        ),
        (
            rf"(?:{_BALANCE})\b.{{0,24}}(?:insufficient|exhausted|depleted|used up|too low|"
            rf"not enough|has run out|ran out|is empty|below)"
        ),
        rf"(?:{_BALANCE}).{{0,8}}(?:不足|不够|用尽|耗尽|用完|已空|透支|为0|过期|扣费失败)",
        rf"(?:exhausted|exceeded|used (?:up )?all|run out of|ran out of)\b.{{0,30}}(?:{_BALANCE})",
        rf"(?:{_BALANCE})\b.{{0,20}}(?:exceeded|reached)",
        "top[ -]?up|recharge|add (?:more )?credits",
        "欠费|预扣费|充值|续费|扣费失败",
        r"arrears|overdue|outstanding (?:balance|invoice)|unpaid",
        r"(?:残高|残額|クレジット|ポイント|コイン).{0,8}(?:不足|足り|ありません|がない|なくなり|ゼロ|切れ)",
        r"(?:残高|クレジット|ポイント|無料枠).{0,8}(?:使い切|使い果た|上限|超過|終了)",
        r"(?:チャージ|入金|追加購入).{0,6}(?:して|が必要|ください)|無料枠",
    ),
    phrase(
        "billing",
        Kind.QUOTA,
        r"billing",
        "payment (?:required|method|failed)",
        r"limit: 0\b",
        r"spend(?:ing)? (?:limit|cap)",
        "purchase (?:more|a|credits)",
        r"subscri\w{1,12}.{0,20}(?:expired|inactive|required|ended)",
        r"trial\b.{0,12}\b(?:expired|ended|is over)|试用.{0,6}(?:结束|过期|到期|用完)",
        r"(?:無料体験|試用期間|トライアル).{0,6}(?:終了|期限)",
        r"套餐.{0,8}(?:过期|到期|用完|用尽|不足)|购买套餐",
        r"(?:支払い|お支払|決済|ご請求|料金).{0,12}(?:必要|失敗|滞納|未納|エラー|確認でき|設定)|未払い",
        r"プラン.{0,10}(?:期限切れ|失効|終了|加入|契約)",
    ),
)

#: Rate and concurrency limits.
RATE_LIMITS: tuple[Phrase, ...] = (
    phrase(
        "rate-limit",
        Kind.RATE_LIMITED,
        r"rate[ _-]?limit",
        (
            r"too (?:many|much) (?:\w+ ){0,2}(?:requests?|tasks?|jobs?|generations?|"
            r"concurren\w*|calls|traffic)"
        ),
        "too many (?:requests|pending)",
        "slow down|throttl",
        r"concurren(?:t|cy)|parallel (?:task|job|request)|simultaneous",
        r"requests? per|per (?:second|minute|min\b)|\b[rtqi]p[ms]\b|too (?:fast|frequent|quickly)",
        r"frequency|queue\w{0,8} (?:is |has )?(?:full|max|limit|exceed)",
        r"(?:unfinished|pending|active|running) (?:jobs|tasks).{0,20}(?:limit|max|queued)",
        r"并发|限流|限速|频率|频繁|请求(?:数|次数|量)?(?:限制|过多|太多|过快|超限|超过)",
        r"请求数|次数限制",
        r"\d ?分钟内|\d ?秒内|每分钟|每秒|过快|排队.{0,6}(?:满|上限)",
        r"任务数.{0,6}(?:上限|限制|超)|limit reached|限速",
        r"リクエスト.{0,8}(?:多すぎ|過多|制限|上限|頻度|超)|レート(?:制限|リミット)|送信回数",
        r"(?:同時|並列|並行).{0,10}(?:上限|制限|超え|まで)|(?:呼び出し|アクセス)(?:回数|頻度)",
        r"キュー.{0,6}(?:満杯|上限|いっぱい)|間隔を(?:空|あ)けて",
    ),
)

#: Disabled keys; these come before disabled accounts and services.
DISABLED_KEYS: tuple[Phrase, ...] = (
    phrase(
        "key-disabled",
        Kind.AUTH,
        rf"(?:{_KEY})\b.{{0,24}}(?:{_DISABLED}|inactive|expired|revoked|deleted)",
        r"(?:令牌|密钥|秘钥|key).{0,12}(?:禁用|不可用|停用|封禁|过期|失效|吊销)",
        r"(?:キー|トークン).{0,8}(?:無効化|停止|失効|取り消|削除)",
    ),
)

#: Refused keys and missing permissions.
KEY_REFUSALS: tuple[Phrase, ...] = (
    phrase(
        "key-refused",
        Kind.AUTH,
        (
            rf"(?:invalid|incorrect|wrong|missing|expired|unknown|malformed|bad|no|"
            rf"empty)\b.{{0,16}}\b(?:{_KEY})\b"
        ),
        (
            rf"\b(?:{_KEY})s?\b.{{0,24}}\b(?:invalid|incorrect|not valid|expired|not found|"
            rf"missing|revoked|leaked|required|empty|failed|not provided|wrong|"
            rf"does not match|not match)"
        ),
        r"provide an api key|unauthori[sz]ed|unauthenticated|not authenticated",
        r"authenticat\w+|not logged in|log ?in fail|please log ?in",
        (
            r"(?:令牌|密钥|秘钥|签名|凭证|鉴权|认证|身份验证|api key|token).{0,10}(?:无效|"
            r"过期|错误|失败|失效|不存在|不正确|为空|非法)"
        ),
        r"无效的(?:令牌|密钥|key|token|api)|未提供(?:令牌|密钥|token|key|api)|未授权",
        r"未登录|请先登录|登录失败",
        r"(?:キー|トークン|認証|資格情報|署名|シークレット|パスワード|ログイン|セッション).{0,10}(?:無効|不正|失敗|誤)",
        r"(?:キー|トークン|認証|ログイン|セッション).{0,10}(?:期限|切れ|エラー|必要|正しく|間違|ありません)",
        r"(?:キー|トークン).{0,10}(?:見つかり|存在し|設定されて|指定されて|一致)|ログインしてください",
        r"認証(?:されて|でき|情報)",
        source=f"{VOCABULARY}; {_NEW_API}",
    ),
    phrase(
        "permission",
        Kind.AUTH,
        r"permission|not (?:authori[sz]ed|allowed to|entitled|eligible|permitted)",
        r"access (?:is )?denied|no access",
        r"(?:do|does)(?: not|n't) have (?:\w+ )?access|not have the",
        r"member of an organization|must be verified",
        r"verif(?:y|ied|ication).{0,24}(?:organi[sz]ation|identity|account|email)|real[- ]name",
        r"(?:country|region|territory|location)\b.{0,30}not (?:supported|available|allowed)",
        r"not available in your (?:country|region)",
        r"(?:allow|white)[- ]?list|not (?:been )?(?:activated|enabled|subscribed)",
        r"has not been used in project|user (?:was )?not found",
        r"your (?:current )?plan|upgrade (?:your|to)",
        r"requires? (?:a |an )?(?:\w+ )?(?:subscription|plan|tier)",
        r"无权|没有权限|权限不足|无.{0,4}权限|白名单|实名|未开通|未激活",
        r"不在(?:允许|白名单)|不允许|令牌允许|分组.{0,6}(?:无权|(?<!暂)(?<!暂时)不可用)",
        r"権限.{0,8}(?:ありません|がない|なし|不足|必要|を持って)|許可されていません|アクセス権",
        r"アクセス(?:が|は|を)?拒否|本人確認|組織の確認|有効化されていません",
        r"(?:国|地域|リージョン).{0,14}(?:できません|されていません|していません|対象外)",
    ),
)
