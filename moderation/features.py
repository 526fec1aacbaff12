"""What the embedded classifier sees of a text: cleaned words, bounded windows, hashed n-grams.

Covered: look-alike letters, zero-width characters, full-width forms, digits written for letters inside words,
stretched letters and letters set apart by spaces or dots are folded before anything is counted.
Not covered: encodings (base64, rot13), text in pictures, languages other than English and Chinese.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW = 320
"""Characters of one window of text (short, so that one bad sentence is not drowned); a Chinese one is `_CJK_WIDTH`."""
_CJK_WIDTH = 3.3
CHINESE = 0.3
"""Share of Chinese characters from which a window is judged by its n-grams alone."""
_SHORTEST = 8
"""Width from which a sentence is looked at alone."""
_OVERLAP = 40
"""Characters repeated where a sentence longer than a window had to be cut."""

CHAR_ORDERS = (1, 2, 3, 4, 5)
BUCKET_BITS = 16

_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xAD, 0xFEFF])
# Cyrillic and Greek letters that look Latin (a part of Unicode's confusables table, UTS #39).
_LOOK_ALIKES = str.maketrans(
    "асеорхуіјѕԁһвкмнтАВЕКМНОРСТХУІЈЅαορτυνικΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceopxyijsdhbkmhtABEKMHOPCTXYIJSaoptuvikABEZHIKMNOPTYX",
)
# The traditional characters that are frequent in what people ask, and their simplified forms: one spelling to count.
_SIMPLIFIED = str.maketrans(
    "殺強姦藥槍彈賣買錢竊騙詐搶綁罵賤蕩亂蘿體視頻圖電話號碼網帳戶關鍵駭盜證護簽偽鈔販運邊稅務醫師處尋獲製備輸劑氣"
    "氫鈉鹼燒煙術語屍滅絕種猶膚國際殘廢聾啞瘋癲豬雞鴨貓鳥馬驢龍龜蟲魚難區灣廣東陝豐臺個們這裡說誰麼樣為嗎時間後來"
    "從對與過還給讓應該當會現實覺學寫點開見聽認識講談請謝問題幫導長歲婦孫兒嬰爺媽親戀愛戰爭鬥軍隊員傷壞惡劇斷續結"
    "離產業財寶車輛軌飛機場樓層門廁廚飯麵餅湯鹽糧飲歡樂賀歷傳統計數據資訊絡組織總選舉報紙張紅藍綠黃銀鐵鋼銅礦腦頭"
    "髮髒臟臉頸腳顏淚獸獵獄檢測試驗練習慣類別剛纔動勢勞農園藝舊書畫筆繪劃設許願規則責職賬單獨義議論壇評價優異級極"
    "滿溫濕熱無線遠進達適擇偵擔憂鬱悶騷擾顧顯樹葉蔥薑蘋檸鮮嚇壓縮歸鄉鎮莊聖誕誠懇憤嚴厲蠟燭燈塊條"
    "沒著喪諾遺撐掛聲夠嘗靜墜橋繩慘懷擊鄰屬質檔軟輕齡約釋負債贏賭駕槓軀鋸釘銷鎖鏈闖陰陽險雜雙雖雲須頂順預頓頗養餓駐驚骯鳳"
    "鳴黨齊齒劍勁勝勵協吶啟喚嘆囑堅塵墳壽奪奮婁孿屆崗嶺幣幹幾庫廳彌彎徑復徹恆悅愴慮慶憐懲懶戲擁擋擠攔攝攜敗敵於暫曆曉構標"
    "橫檯歐殼毀氈沖況洩涼淨減湊溝滯漁漢潔濃濟瀏灑煉煩爐牆獅琺瑪環甕畢癮發皺盤盡監瞭矯確碩禍禮稱穀穩窮競節範築簡簾糾紀紹終"
    "絲維緊緒締緩編縣縱績繞繳纏罰羅聞聯聰肅脅脫腫膠臨興艦莖華薦虛虧蝕衛衝補襲訂討訓託記訪詢詳誇誘誤誼調諷謀謊謙譜譯豔貝貞"
    "貪貫費貿賊賓賞賠購贈跡踐蹤載輔輪轉辦辭遞遲遷邏鄭醜釀釣針鈍鈴銳鋒錄錯鍋鍛鏡鐘閃閉閒閱闆陣陳階隱隸靈韓響頁項領飄餘餵館"
    "驅鬆鬧魯鮑鷹麗黴龐",
    "杀强奸药枪弹卖买钱窃骗诈抢绑骂贱荡乱萝体视频图电话号码网帐户关键骇盗证护签伪钞贩运边税务医师处寻获制备输剂气"
    "氢钠碱烧烟术语尸灭绝种犹肤国际残废聋哑疯癫猪鸡鸭猫鸟马驴龙龟虫鱼难区湾广东陕丰台个们这里说谁么样为吗时间后来"
    "从对与过还给让应该当会现实觉学写点开见听认识讲谈请谢问题帮导长岁妇孙儿婴爷妈亲恋爱战争斗军队员伤坏恶剧断续结"
    "离产业财宝车辆轨飞机场楼层门厕厨饭面饼汤盐粮饮欢乐贺历传统计数据资讯络组织总选举报纸张红蓝绿黄银铁钢铜矿脑头"
    "发脏脏脸颈脚颜泪兽猎狱检测试验练习惯类别刚才动势劳农园艺旧书画笔绘划设许愿规则责职账单独义议论坛评价优异级极"
    "满温湿热无线远进达适择侦担忧郁闷骚扰顾显树叶葱姜苹柠鲜吓压缩归乡镇庄圣诞诚恳愤严厉蜡烛灯块条"
    "没着丧诺遗撑挂声够尝静坠桥绳惨怀击邻属质档软轻龄约释负债赢赌驾杠躯锯钉销锁链闯阴阳险杂双虽云须顶顺预顿颇养饿驻惊肮凤"
    "鸣党齐齿剑劲胜励协呐启唤叹嘱坚尘坟寿夺奋娄孪届岗岭币干几库厅弥弯径复彻恒悦怆虑庆怜惩懒戏拥挡挤拦摄携败敌于暂历晓构标"
    "横台欧壳毁毡冲况泄凉净减凑沟滞渔汉洁浓济浏洒炼烦炉墙狮珐玛环瓮毕瘾发皱盘尽监了矫确硕祸礼称谷稳穷竞节范筑简帘纠纪绍终"
    "丝维紧绪缔缓编县纵绩绕缴缠罚罗闻联聪肃胁脱肿胶临兴舰茎华荐虚亏蚀卫冲补袭订讨训托记访询详夸诱误谊调讽谋谎谦谱译艳贝贞"
    "贪贯费贸贼宾赏赔购赠迹践踪载辅轮转办辞递迟迁逻郑丑酿钓针钝铃锐锋录错锅锻镜钟闪闭闲阅板阵陈阶隐隶灵韩响页项领飘余喂馆"
    "驱松闹鲁鲍鹰丽霉庞",
)
_LATIN = re.compile(r"[A-Za-z]")
_DIGITS_FOR_LETTERS = str.maketrans("013457@$!", "oieastasi")
_DIGITS_IN_WORD = re.compile(r"(?<=[A-Za-z])[013457@$!]{1,3}(?=[A-Za-z])")
_SPACED_WORD = re.compile(r"(?<!\w)(?:[A-Za-z][ .\-_*]){2,}[A-Za-z](?!\w)")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_LINK = re.compile(r"https?://\S+|www\.\S+|@URL\b")
_MENTION = re.compile(r"(?<!\w)@\w+:?")
_RETWEET = re.compile(r"^\s*(?:RT\s+)+")
_SPACE = re.compile(r"\s+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_SENTENCE = re.compile(r"[^.!?。！？；\n]*(?:[.!?]+[\"'”’)\]]*(?:\s+|$)|[。！？；]+[”’」』）]*\s*|\n+|[.!?]+|$)")

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Bucket numbers of all texts joined, and where each text's begin."""


def clean(text: str) -> str:
    """The text as the encoder reads it: disguises folded, links and mentions made neutral, case kept."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_INVISIBLE)
    if _LATIN.search(text):
        text = text.translate(_LOOK_ALIKES)
    text = _MENTION.sub("@user", _LINK.sub(" ", _RETWEET.sub("", text)))
    text = _SPACED_WORD.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), text)
    text = _DIGITS_IN_WORD.sub(lambda match: match[0].translate(_DIGITS_FOR_LETTERS), text)
    return text.strip()


def fold(text: str) -> str:
    """Cleaned text as the n-grams read it: lower case, no accents, simplified Chinese, no stretched letters."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    plain = plain.translate(_SIMPLIFIED)
    plain = _STRETCHED.sub(r"\1\1", plain)
    return f" {_SPACE.sub(' ', plain).strip()} "


def chinese_share(text: str) -> float:
    """Share of the characters other than white space that are Chinese, 0..1."""
    solid = len(_SPACE.sub("", text))
    return len(_CJK.findall(text)) / solid if solid else 0.0


def windows(text: str) -> list[str]:
    """Cut cleaned text into windows of whole sentences, at most `WINDOW` wide; nothing is left out."""
    return [window for window, _ in _windows(text)]


def views(text: str) -> list[str]:
    """The windows, and the sentences of Chinese ones that hold several: among n-grams a bad one would be drowned."""
    found = []
    for window, pieces in _windows(text):
        found.append(window)
        if len(pieces) > 1 and chinese_share(window) >= CHINESE:
            found += [piece for piece in pieces if _width(piece) >= _SHORTEST]
    return list(dict.fromkeys(found))


def _windows(text: str) -> list[tuple[str, list[str]]]:
    """Each window with the sentences, or pieces of one, that it is made of."""
    limit = int(WINDOW / (1 + (_CJK_WIDTH - 1) * chinese_share(text)))
    sentences = [match[0] for match in _SENTENCE.finditer(text) if match[0]]
    packed: list[list[str]] = [[]]
    for piece in (piece for sentence in sentences for piece in _cut(sentence, limit)):
        if packed[-1] and sum(map(len, packed[-1])) + len(piece) > limit:
            packed.append([])
        packed[-1].append(piece)
    found = [("".join(pieces).strip(), [piece.strip() for piece in pieces]) for pieces in packed]
    return [(window, pieces) for window, pieces in found if window] or [("", [])]


def _width(text: str) -> float:
    return len(text) + (_CJK_WIDTH - 1) * len(_CJK.findall(text))


def _cut(sentence: str, limit: int) -> list[str]:
    """One sentence in pieces of at most `limit` characters that overlap, so that no phrase is lost in a cut."""
    if len(sentence) <= limit:
        return [sentence]
    step = limit - _OVERLAP
    return [sentence[start : start + limit] for start in range(0, len(sentence) - _OVERLAP, step)]


def buckets(folded: str) -> NDArray[np.int64]:
    """Distinct buckets of the text's character n-grams, words and word pairs (the hashing trick).

    Weinberger et al. 2009, arXiv:0902.2206; n-grams within and across words as in fastText (arXiv:1607.01759).
    Multiply-and-add hashes modulo 2^64 over code points, computed for all positions at once.
    """
    points = np.frombuffer(folded.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    found = [_bucket(_rolling(points, order), order) for order in CHAR_ORDERS if len(points) >= order]
    found += _word_buckets(points)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def bags(texts: Sequence[str]) -> Counts:
    """Buckets of several cleaned texts, laid end to end, with the offset of each."""
    rows = [buckets(fold(text)) for text in texts]
    lengths = np.array([0, *(len(row) for row in rows)], dtype=np.int64)
    joined = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return joined, np.cumsum(lengths)[:-1]


_BASE = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _rolling(values: NDArray[np.uint64], order: int) -> NDArray[np.uint64]:
    """Hash of every run of `order` consecutive values."""
    count = len(values) - order + 1
    hashed = np.zeros(count, dtype=np.uint64)
    for shift in range(order):
        hashed = hashed * _BASE + values[shift : shift + count]
    return hashed


def _word_buckets(points: NDArray[np.uint64]) -> list[NDArray[np.int64]]:
    """Buckets of words and of word pairs: a word's hash is the sum of its letters' powers at their places."""
    letters = points != ord(" ")
    starts = np.flatnonzero(letters & ~np.concatenate(([False], letters[:-1])))
    if not len(starts):
        return []
    ends = np.flatnonzero(letters & ~np.concatenate((letters[1:], [False]))) + 1
    place = np.arange(len(points)) - np.repeat(
        np.concatenate(([0], starts)), np.diff(np.concatenate(([0], starts, [len(points)])))
    )
    powers = np.cumprod(np.full(int(place.max()) + 1, _BASE, dtype=np.uint64))
    spread = (points * _MIX ^ (points >> np.uint64(3))) * powers[place] * letters
    sums = np.add.reduceat(spread, starts)
    words = sums + (ends - starts).astype(np.uint64)
    found = [_bucket(words, 11)]
    if len(words) > 1:
        found.append(_bucket(_rolling(words, 2), 12))
    return found


def _bucket(hashed: NDArray[np.uint64], kind: int) -> NDArray[np.int64]:
    """Bucket 0..2^BUCKET_BITS-1 of each hash; `kind` keeps a word and an n-gram of the same letters apart."""
    mixed = (hashed ^ np.uint64(kind * 0x51ED270B)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
