"""Normalizes texts and codes, so that a rule is written once.

Texts: full-width to half-width, lower case, traditional to simplified characters, white space
collapsed. Codes: `InvalidApiKey`, `invalid-api-key` and `INVALID_API_KEY` are one code.
"""

import re
import unicodedata

#: The length of text that rules read, in characters.
TEXT_LIMIT = 6000
_NAME_LIMIT = 160

# Only characters that error texts use and that convert one to one; no full conversion table.
_TRADITIONAL = (
    "並佔併來個偵備傳傷僅價億償優儲兒內兩冊凍別則創劃劇動務區協卻參員問啟單嘗嚴圍圖執報場塊壓壞夠實審寬將專尋對導層屬帳幣幫幾"
    "廢彙後從復徵態憑應懷戰戲戶拋採換損擁擇擊擔據擠擬攔攝敗敵數斷於時暫會條棄業極構標樣機檔檢權歲歷氣決沒況減測準溫滅滯滿濟為"
    "無煩爾獎獲現環產畫異當發監盤確碼礎禮種稱積穩穫窮競筆節範簡簽納純紙級細終組結絕絡給統經維網緒線編緩縮總織繫繼續罰聯聲職肅"
    "脫腦臨與舉華蓋藝藥處號術衛補裝複見規視覺覽觀觸訂計訊記訪設許註詞詢試該詳誌認語誤說課調談請論諸諾謝證識議護變讓負貨責貴買"
    "費資賣質賬賴購贊跡軟較載輕輯輸轉辦這連週進運過達違遠適遲選還邊釋釘銜銷錄錢錯鍵鎖鐘鑑鑒鑰長閉開間閱關陣陸隊隨險雙雜離難雲"
    "電響頁頂項順須預領頭頻題額類顧顯風飽餘駁驅驗髒體麼黃點黨齊龍"
)
_SIMPLIFIED = (
    "并占并来个侦备传伤仅价亿偿优储儿内两册冻别则创划剧动务区协却参员问启单尝严围图执报场块压坏够实审宽将专寻对导层属账币帮几"
    "废汇后从复征态凭应怀战戏户抛采换损拥择击担据挤拟拦摄败敌数断于时暂会条弃业极构标样机档检权岁历气决没况减测准温灭滞满济为"
    "无烦尔奖获现环产画异当发监盘确码础礼种称积稳获穷竞笔节范简签纳纯纸级细终组结绝络给统经维网绪线编缓缩总织系继续罚联声职肃"
    "脱脑临与举华盖艺药处号术卫补装复见规视觉览观触订计讯记访设许注词询试该详志认语误说课调谈请论诸诺谢证识议护变让负货责贵买"
    "费资卖质账赖购赞迹软较载轻辑输转办这连周进运过达违远适迟选还边释钉衔销录钱错键锁钟鉴鉴钥长闭开间阅关阵陆队随险双杂离难云"
    "电响页顶项顺须预领头频题额类顾显风饱余驳驱验脏体么黄点党齐龙"
)
_TRANSLATION = str.maketrans(_TRADITIONAL, _SIMPLIFIED) | str.maketrans("‘’“”", "''\"\"")

_SPACE = re.compile(r"\s+")
_SPACE_BETWEEN_HAN = re.compile(r"(?<=[㐀-鿿]) (?=[㐀-鿿])")
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_NAME = re.compile(r"[^a-z0-9㐀-鿿]+")


def normalize_text(text: str) -> str:
    """Return a text in the form that the phrases are written in."""
    plain = unicodedata.normalize("NFKC", text[:TEXT_LIMIT]).casefold().translate(_TRANSLATION)
    return _SPACE_BETWEEN_HAN.sub("", _SPACE.sub(" ", plain)).strip()


def normalize_code(code: str) -> str:
    """Return a code in the form that the tables are written in (`invalid_api_key`)."""
    return _NOT_NAME.sub("_", _CAMEL_CASE_BOUNDARY.sub("_", code[:_NAME_LIMIT]).lower()).strip("_")


def normalize_dotted_code(code: str) -> str:
    """Return a code with each of its parts normalized (`invalid_endpoint.closed_endpoint`)."""
    return ".".join(filter(None, map(normalize_code, code[:_NAME_LIMIT].split("."))))


def simplified(text: str) -> str:
    """Return a text in simplified characters, as `normalize_text` writes them."""
    return text.translate(_TRANSLATION)
