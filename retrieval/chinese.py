"""Chinese words that rules about questions need: question words, verbs, measure words, nouns that belong to something.

All in simplified characters: a question is compared with them in that form (`retrieval.text.simplified`).
Names are not marked in Chinese: what is not in these lists is taken for the name of something.
"""

from __future__ import annotations

import re


def _words(text: str) -> tuple[str, ...]:
    """Longest first, so that an alternation prefers them."""
    return tuple(sorted(set(text.split()), key=len, reverse=True))


WHEN = "什么时候|什么时间|何时|哪一年|哪年|哪一天|哪天|几年|几月几号|几号|哪个世纪|哪个朝代|什么年代"
WHERE = "在什么地方|在哪里|在哪儿|在哪|什么地方|哪里|哪儿|何处|何地"
WHY = "为什么|为何|怎么会|因为什么"
_ASKING = _words(
    f"{WHEN}|{WHERE}|{WHY}".replace("|", " ")
    + " 什么样 什么 哪国人 哪国 哪个 哪些 哪位 哪种 哪几 哪 谁 怎么样 怎么 怎样 如何 "
    "几点 多少 多久 多长 多大 多高 多远 多重 多深 多快 多宽 多厚 多热 多贵 几 "
    "是不是 有没有 能不能 可不可以 会不会 要不要"
)
VERBS = _words(
    "对外开放 开门 关门 建成 建造 修建 建立 建好 建 修 造 成立 创立 创建 创办 创造 发现 发明 发生 发行 发表 发射 "
    "出版 出现 出生 出土 去世 逝世 死 写成 写 画 唱 拍 演 制作 制造 制成 做成 做 泡 煮 炒 吃 喝 住 登上去 登上 登 "
    "上去 下来 下去 进去 出来 进入 进 形成 产生 起源 诞生 开始 结束 开放 开通 通车 完成 完工 举行 举办 赢 输 获胜 "
    "获得 得到 得 当 活 命名 改名 叫做 叫 传到 传入 传播 传 流传 流经 流过 流入 经过 位于 属于 包括 分为 分成 "
    "组成 构成 使用 用于 用来 用 工作 运行 运作 变成 变化 灭亡 消失 灭绝 沉没 倒塌 爆发 存在 保存 保护 参观 看到 "
    "看 说 讲 记录 计算 测量 测 种植 养 买 卖 花 累积 转让 申请 报销 充电 退 换 打败 统一 占领 毁 重建 维修 设计 "
    "提出 定 开设 引进 普及 推翻 建国 独立 到达 抵达 来到 去 走 留下 活下来 生还 找 问 联系 交 付 领 拿 获救 领导 "
    "带领 参加 得名 由来 排 "
)
_LIGHT = _words(
    "吗 呢 吧 啊 了 的 地 着 过 是 有 没有 没 不 在 于 从 到 由 被 把 给 跟 和 也 还 又 都 就 才 再 最 很 太 更 "
    "比较 能 可以 会 要 需要 应该 必须 让 来 它 其 这 那 里面 上面 下面 外面 旁边 附近 其中 之中 上 下 里 后 前 "
    "好 后来 之后 以后 然后 之前 以前 最后 最早 最初 当时 一共 总共 大概 大约 平均 每 一般 通常 主要 至今 到底 "
    "究竟 具体 另外 其他 其它 次 种 个 位 名 座 所 条 颗 只 本 部 回 章 集 层 间 件 架 辆 米 公里 千米 斤 公斤 吨 "
    "度 岁 元 块 钱 小时 分钟 秒 世纪 年代 朝代 年级 第 一 二 三 四 五 六 七 八 九 十 百 千 万 两 半 大 小 长 短 "
    "高 低 远 近 快 慢 重 轻 多 少 早 晚 深 宽 老 新 贵 "
)
BELONGING = _words(
    "占地 人口 面积 作者 名字 首都 高度 长度 宽度 深度 原因 意思 含义 历史 特点 特征 主角 主人公 结局 价格 年龄 "
    "身高 体重 妻子 丈夫 父亲 母亲 爸爸 妈妈 儿子 女儿 作品 代表作 内容 颜色 形状 大小 重量 体积 温度 气候 语言 "
    "货币 国旗 卫星 行当 材料 原料 步骤 方法 规则 种类 类型 品种 用途 用 用处 好处 坏处 危害 影响 意义 结果 过程 "
    "来历 别名 英文名 简称 全称 海拔 门票 开放时间 船长 船员 幸存者 人数 冠军 亚军 创始人 设计师 发明者 发明人 "
    "发现者 建筑师 质量 直径 速度 距离 时间 地点 票价 费用 押金 保质期 密码 电话 地址 负责人 截止日期 分类 功效 "
    "味道 产地 "
)
"""Nouns that ask “of what?” when they stand alone."""

_COUNTED = "(?<=[的几个有])人|(?<=多少)人|(?<=什么)人|(?<=[几哪多少每一二三四五六七八九十百千0-9])[年月日天号]"
_PUNCTUATION = r"[\s？?。.！!，,、~～]+"
_CLOSED = re.compile(
    "|".join((*sorted({*_ASKING, *VERBS, *_LIGHT, *BELONGING}, key=len, reverse=True), _COUNTED, _PUNCTUATION))
)
VERB = "|".join(VERBS)
ASKING = re.compile("|".join(_ASKING) + "|吗")
_BEGINS = re.compile(
    rf"(?:是|就|也|都|还|又|一共|总共|后来|最后|最早|当时|平均|大概|到底|其中|里面|上面|附近|有|在|从|由|被|能|可以|会|要|需要|应该|第|最|"
    rf"{'|'.join(_ASKING)}|{VERB}|{'|'.join(BELONGING)})"
)
_SUBJECTLESS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"是?(?:{WHEN})(?:{VERB}).*的",  # “什么时候传到欧洲的”
        r"(?:一共|总共|都|还|里面|上面)?有(?:多少|几|哪些|什么)(?!大[洲洋])\w{1,4}",
        r"有没?有?(?!你|我|人)\w{1,3}吗?",
        rf"(?:一共|总共|都|还|里面|上面|后来|最后)*(?:{VERB})[过了着]?(?:多少|几|哪些|哪|什么|谁)\w{{0,6}}",
        rf"(?:{'|'.join(BELONGING)})(?:是|有|叫|在)?(?:{'|'.join(_ASKING)}).{{0,3}}",
    )
)
_STILL = re.compile("(?:现在|目前|如今|至今)(?=还|一共|总共)")
_ONLY_POINTS = re.compile(r"几点钟?了?|(?:是|有)?(?:谁|什么|吗|呢|什么意思|怎么了)")


def lacks_subject(question: str) -> bool:
    """Whether a simplified question leaves out what it is about: “什么时候建成的”, “有几种”, “谁修的”."""
    text = question.rstrip("？?。.！!呢啊呀 ")
    still = _STILL.match(text)
    text = text[still.end() :] if still else text
    if not text or len(text) > 18 or _ONLY_POINTS.fullmatch(text) or not ASKING.search(question):
        return False
    if any(pattern.fullmatch(text) for pattern in _SUBJECTLESS):
        return True
    return _BEGINS.match(text) is not None and not _CLOSED.sub("", text)


def names_nothing(question: str) -> bool:
    """Whether a simplified question is made of words that any question may hold, and at most a measure word."""
    still = _STILL.match(question)
    rest = question[still.end() :] if still else question
    return len(_CLOSED.sub("", rest)) < 2 and not any(noun in rest for noun in BELONGING)


SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳鲍史唐费廉岑薛"
    "雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强"
    "贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房裘缪解应宗丁宣邓郁单杭洪包诸左石崔吉龚程嵇邢裴陆荣翁荀羊惠甄曲家封芮储"
    "靳汲糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全班仰秋仲伊宫宁仇栾暴甘厉戎祖武符刘景詹束龙叶幸司韶黎溥屠鄂欧诸葛司马上官慕容嬴玄屈"
)
