"""Phrases for failures that the caller caused: rejected content and invalid requests."""

from tallylight.model.evidence import FailureKind as Kind
from tallylight.upstreams.classify.rules import VOCABULARY, Phrase, phrase

#: Rejected content that the upstream calls risk control.
CALLER_LOOKALIKES: tuple[Phrase, ...] = (
    phrase(
        "content-risk-control",
        Kind.CONTENT_REJECTED,
        r"(?:内容|提示词|文本|图片|素材|画面|prompt|content|input).{0,16}(?:风控|risk control)",
        r"(?:风控|risk control).{0,16}(?:内容|提示词|prompt|content)",
        r"(?:pass|passed|通过)\b.{0,12}(?:风控|risk control)",
        r"风控.{0,6}(?:未|不|没有?)通过",
        source="trap: 风控 also labels refused content; kling task_status_msg",
    ),
)

#: Rejected content of a prompt, an image or a result.
CONTENT_REJECTIONS: tuple[Phrase, ...] = (
    phrase(
        "account-settings",
        Kind.AUTH,
        r"your (?:\w+ )?(?:guardrail|privacy|data policy|account settings)",
        r"data policy|settings/privacy",
        source="openrouter.ai/docs: the account's own restrictions",
    ),
    phrase(
        "content-policy",
        Kind.CONTENT_REJECTED,
        r"moderat(?:ion|ed)|contentpolicyviolation",
        (
            r"content[ _](?:policy|policies|filter|safety|security|review|guideline|polic|"
            r"check|violation|standard|restriction)"
        ),
        r"safety (?:system|filter|polic|guideline|check|setting|reason|concern|violation)",
        r"(?:usage|community|acceptable use) (?:polic|guideline|standard)",
        r"responsible ai|sensitive|inappropriate|unsafe|nsfw|nudity|sexual|explicit",
        r"violen(?:t|ce)|harmful",
        r"prohibited|violat\w{1,12}.{0,40}(?:polic|guideline|terms|rule|standard)|copyright",
        r"trademark|third-party (?:content|similarit)",
        r"guardrail|similarity to|likeness|real (?:person|people)|public figure|celebrit",
        r"minors?\b|photorealistic people",
        r"违规|违禁|敏感|不合规|不当内容|色情|涉黄|暴力|涉政|内容安全|内容审核",
        r"审核(?:未|不|没|失败|拒绝)|(?:未|没有?|不)通过(?:\w{0,6})?审|版权|侵权|肖像",
        r"真人|人脸|名人|违反.{0,12}(?:政策|规定|准则|规范|条款)",
        r"不適切|不適当|利用規約|公序良俗|著作権|肖像権|商標|実在(?:の|する)人物|センシティブ|アダルト",
        r"(?:ポリシー|ガイドライン|規約).{0,8}(?:違反|抵触|反する)|違反(?:する|した)(?:内容|表現|コンテンツ)",
        r"モデレーション|コンテンツ(?:フィルタ|審査)|安全(?:性|上|基準)|セーフティ|性的|暴力|有害|禁止(?:ワード|用語|語句|され)",
        source=f"{VOCABULARY}; kling, MiniMax, Ark, DashScope moderation texts",
    ),
    phrase(
        "refused-prompt",
        Kind.CONTENT_REJECTED,
        (
            r"(?:prompt|input|output|image|generation|request|"
            r"content)\b.{0,30}(?:rejected|refused|blocked|flagged|filtered)"
        ),
        (
            r"(?:reject|refus|block|flag)\w{0,12} (?:the|your|this) (?:prompt|input|image|"
            r"content|generation)"
        ),
        r"flagged|could not generate .{0,20}based on the prompt|rephras|blocked by",
        (
            r"i(?: can(?:no|')t|'m (?:unable|not able) to) (?:assist|comply|create|fulfil|"
            r"generate|help)"
        ),
        r"我(?:无法|不能)(?:生成|创建|制作|协助|满足)(?:这|该|此|您的|你的)",
        r"提示词.{0,12}(?:不|被|拒|违|修改)|(?:被|已)拒绝(?:生成|处理)|拒绝生成",
        r"(?:プロンプト|画像|入力|内容|コンテンツ).{0,12}(?:拒否|ブロック|却下|検閲)|審査.{0,8}(?:拒否|不合格|通過)",
    ),
)

#: Invalid requests.
INVALID_REQUESTS: tuple[Phrase, ...] = (
    phrase(
        "not-done-yet",
        Kind.INVALID_REQUEST,
        (
            r"(?:still|not)\b.{0,12}(?:in[- ]progress|completed? yet|ready yet|"
            r"finished yet|available yet|processing)"
        ),
        r"not (?:yet )?(?:completed?|ready|finished)\b",
        r"(?:任务|视频).{0,8}(?:未完成|进行中|处理中|未生成)",
        r"(?:まだ|現在).{0,8}(?:処理中|生成中|完了していません)|未完了",
        source="vLLM-Omni 0.30, new-api controller/video_proxy.go",
    ),
    phrase(
        "no-such-job",
        Kind.INVALID_REQUEST,
        (
            r"(?:task|video|job|generation|file|operation|asset|request id|"
            r"interaction)\b.{0,60}(?:not (?:found|exist)|does(?: not|n't) exist|expired)"
        ),
        (
            r"(?:no such|unknown|invalid|(?:could|can) ?not find(?: the| a| any)?|can't find) "
            r"(?:task|video|job|generation)\b(?! (?:model|size|length|format|param|dur|type|url))"
        ),
        r"(?:任务|视频|文件).{0,12}(?:不存在|未找到|已过期|找不到)",
        r"(?:找不到|未找到|没有找到|不存在).{0,4}任务",
        r"task_not_exist",
        r"(?:タスク|ジョブ|動画|ファイル|リクエストid).{0,14}(?:見つかりません|存在しません|見つからない|有効期限)",
    ),
    phrase(
        "wrong-path",
        Kind.UNKNOWN,
        r"invalid url \(",
        source="OpenAI and new-api: the path is gone, or the base address is wrong",
    ),
    phrase(
        "bad-parameter",
        Kind.INVALID_REQUEST,
        r"\bis (?:a )?required\b|required (?:field|param|property|argument)",
        r"missing (?:required |one or )?(?:\w+ )?(?:param|field|prompt|argument|input|model)",
        r"\bmust (?:be|not|have|match|contain|provide)|should (?:be|have|match)",
        r"\bexpected (?:one of|an?|string|int\w*)\b",
        r"cannot (?:both )?be (?:set|used|empty|null|both)|cannot both",
        (
            r"(?:invalid|illegal|unsupported|unknown|unrecogni[sz]ed|bad|wrong|"
            r"unexpected) (?:\w+ )?(?:type|value|param\w*|argument|field|size|model|"
            r"format|prompt|image|url|json|duration|seconds|resolution|aspect|ratio|input|"
            r"body|request body|mode|channel)"
        ),
        r"(?:not|isn't|unsupported) (?:a )?(?:supported|valid|allowed)\b",
        r"does(?: not|n't) support|too (?:long|large|short|small|big)",
        r"exceeds? (?:the )?(?:max\w*|limit|allowed|size)|out of range|malformed",
        r"unprocessable|constraint|not satisfied",
        (
            r"(?:could not|cannot|failed to|unable to) (?:be )?(?:read|decode|download|"
            r"load|parse|fetch)\w*.{0,24}(?:image|file|asset|url|media|input|body|json)"
        ),
        r"(?:image|file|asset|media)\b.{0,20}could not be|unexpected end of json",
        r"未指定|不能为空|缺少|缺失|参数|无效的(?:请求|渠道|模型|图片|链接)|不支持",
        r"格式(?:错误|不|有误)|不合法|超出(?:范围|限制)|必填|尺寸|分辨率.{0,6}(?:不|错)",
        r"パラメーター?|引数|必須|未対応|(?:対応|サポート)(?:して|されて)い(?:ない|ません)|無効な(?:値|リクエスト|入力)",
        r"(?:形式|サイズ|長さ|秒数|解像度|比率|文字数|値|入力|リクエスト|url|json).{0,10}(?:不正|無効|誤|正しく|超え|すぎ)",
        r"(?:指定|入力)(?:して|されて)(?:ください|いません)|(?:読み込|ダウンロード|解析).{0,6}(?:できません|失敗)",
    ),
)
