"""Chinese words that rules about questions need: question words, verbs, measure words, nouns that belong to something.

All in simplified characters; `simplified` puts a question's characters in that form, one for one, for comparing.
Names are not marked in Chinese: what is not in these lists is taken for the name of something.
"""

from __future__ import annotations

import re

_PAIRS = (
    "來来個个們们倫伦側侧傳传債债傷伤價价億亿儘尽優优儲储兒儿內内兩两冊册凍冻別别創创劃划劇剧劍剑動动務务勝胜勞劳勵励匯汇區区協协卻却"
    "參参問问啟启單单嗎吗嚴严囑嘱國国園园圓圆圖图團团執执堅坚報报場场塊块塵尘墳坟壓压壞坏壯壮壽寿夠够夢梦奪夺婦妇媽妈學学實实寧宁審审"
    "寫写寶宝將将專专尋寻對对導导屆届層层屬属岡冈島岛嶺岭帥帅師师帳帐帶带幣币幫帮幹干幾几庫库廠厂廢废廣广廳厅張张強强彈弹後后徑径從从"
    "復复恆恒應应懷怀戰战戲戏戶户擁拥擇择擊击擔担據据擴扩攝摄敗败敘叙數数斷断於于時时晝昼曆历曉晓書书會会東东條条棄弃棟栋楊杨業业極极"
    "榮荣構构樂乐標标樣样橋桥機机檢检櫃柜權权歎叹歐欧歲岁歷历歸归殘残殺杀殼壳氣气氫氢決决沒没況况淚泪淨净淺浅減减測测湯汤準准溝沟溫温"
    "滅灭滾滚滿满漁渔漢汉漸渐潔洁濃浓濕湿濟济灣湾災灾為为烏乌無无熱热燈灯燒烧營营爐炉爭争爺爷爾尔牆墙狀状猶犹獅狮獎奖獨独獲获獸兽現现"
    "瑪玛環环瓊琼產产畝亩畢毕畫画異异當当療疗癢痒發发盜盗監监盤盘眾众確确碼码礎础禍祸禮礼稅税種种稱称積积穩稳窮穷競竞筆笔節节築筑簡简"
    "糧粮紀纪約约紅红紋纹納纳紐纽純纯紙纸級级細细紹绍終终組组結结絕绝給给統统經经緣缘編编練练縣县縮缩總总織织繼继續续義义聖圣聯联聲声"
    "職职聽听腦脑膽胆臉脸與与舉举舊旧萬万藝艺藥药蘇苏處处號号蟲虫術术衛卫裏里補补裝装裡里複复見见規规視视親亲覺觉觀观訂订計计記记設设"
    "許许註注評评試试詩诗話话該该詳详認认誕诞語语誤误說说誰谁調调談谈請请論论諾诺講讲謝谢證证識识譯译護护讀读變变讓让貝贝負负財财貢贡"
    "貨货責责貴贵買买費费資资賓宾賣卖質质賽赛贊赞贏赢跡迹軌轨軍军較较輕轻輪轮輸输轉转辦办農农這这連连進进遊游運运過过達达違违遠远適适"
    "選选遺遗遼辽還还邊边郵邮鄉乡釋释錢钱錯错鎮镇鏡镜鐘钟鐵铁鑰钥長长門门閉闭開开間间閱阅關关陸陆陽阳隊队隨随險险隻只雖虽雙双雜杂離离"
    "難难電电靈灵靜静響响頂顶項项須须預预頓顿領领頭头顆颗題题額额顏颜願愿類类顧顾顯显風风飄飘飛飞養养餘余館馆馬马驗验體体魚鱼鳥鸟鳴鸣"
    "鹽盐麗丽麥麦麼么黃黄點点齊齐龍龙"
)
_SIMPLE = str.maketrans(dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True)))


def simplified(text: str) -> str:
    """The text in simplified characters, as long as it was."""
    return text.translate(_SIMPLE)


def _words(text: str) -> tuple[str, ...]:
    """Longest first, so that an alternation prefers them."""
    return tuple(sorted(set(text.split()), key=len, reverse=True))


WHEN = "什么时候|什么时间|何时|哪一年|哪年|哪一天|哪天|几几年|几年|几月几号|几号|哪个世纪|哪个朝代|什么年代"
WHERE = "在什么地方|在哪里|在哪儿|在哪|什么地方|哪里|哪儿|何处|何地"
WHY = "为什么|为何|怎么会|因为什么"
_ASKING = _words(
    f"{WHEN}|{WHERE}|{WHY}".replace("|", " ")
    + " 什么样 什么 哪国人 哪国 哪个 哪些 哪位 哪种 哪几 哪 谁 怎么样 怎么 怎样 如何 "
    "多少 多久 多长 多大 多高 多远 多重 多深 多快 多宽 多厚 多热 多贵 几 是不是 有没有 能不能 可不可以 会不会 要不要"
)
VERBS = _words(
    "建成 建造 修建 建立 建好 建 修 造 成立 创立 创建 创办 创造 发现 发明 发生 发行 发表 发射 出版 出现 出生 出土 "
    "去世 逝世 死 写成 写 画 唱 拍 演 制作 制造 制成 做成 做 泡 煮 炒 吃 喝 住 登上去 登上 登 上去 下来 下去 进去 "
    "出来 进入 进 形成 产生 起源 诞生 开始 结束 开放 开通 通车 完成 完工 举行 举办 赢 输 获胜 获得 得到 得 当 活 "
    "命名 改名 叫做 叫 传到 传入 传播 传 流传 流经 流过 流入 经过 位于 属于 包括 分为 分成 组成 构成 使用 用于 "
    "用来 用 工作 运行 运作 变成 变化 灭亡 消失 灭绝 沉没 倒塌 爆发 存在 保存 保护 参观 看到 看 说 讲 记录 计算 "
    "测量 测 种植 养 买 卖 花 累积 转让 申请 报销 充电 退 换 打败 统一 占领 毁 重建 维修 设计 提出 定 开设 引进 "
    "普及 推翻 建国 独立 到达 抵达 来到 去 走 留下 活下来 生还 找 问 联系 交 付 领 拿 获救 领导 带领 参加 得名 "
    "由来 排 "
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
    "人口 面积 作者 名字 首都 高度 长度 宽度 深度 原因 意思 含义 历史 特点 特征 主角 主人公 结局 价格 年龄 身高 "
    "体重 妻子 丈夫 父亲 母亲 爸爸 妈妈 儿子 女儿 作品 代表作 内容 颜色 形状 大小 重量 体积 温度 气候 语言 货币 "
    "国旗 卫星 行当 材料 原料 步骤 方法 规则 种类 类型 品种 用途 用 用处 好处 坏处 危害 影响 意义 结果 过程 来历 "
    "别名 英文名 简称 全称 海拔 门票 开放时间 船长 船员 幸存者 人数 冠军 亚军 创始人 设计师 发明者 发明人 发现者 "
    "建筑师 质量 直径 速度 距离 时间 地点 票价 费用 押金 保质期 密码 电话 地址 负责人 截止日期 分类 功效 味道 "
    "产地 "
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
        r"(?:一共|总共|都|还|里面|上面)?有(?:多少|几|哪些|什么)\w{1,4}",
        rf"(?:一共|总共|都|还|里面|上面|后来|最后)*(?:{VERB})[过了着]?(?:多少|几|哪些|哪|什么|谁)\w{{0,6}}",
        rf"(?:{'|'.join(BELONGING)})(?:是|有|叫|在)?(?:{'|'.join(_ASKING)}).{{0,3}}",
    )
)
_ONLY_POINTS = re.compile(r"(?:是|有)?(?:谁|什么|吗|呢|什么意思|怎么了)")


def lacks_subject(question: str) -> bool:
    """Whether a simplified question leaves out what it is about: “什么时候建成的”, “有几种”, “谁修的”."""
    text = question.rstrip("？?。.！!呢啊呀 ")
    if not text or len(text) > 18 or _ONLY_POINTS.fullmatch(text) or not ASKING.search(question):
        return False
    if any(pattern.fullmatch(text) for pattern in _SUBJECTLESS):
        return True
    return _BEGINS.match(text) is not None and not _CLOSED.sub("", text)


SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳鲍史唐费廉岑薛"
    "雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强"
    "贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房裘缪解应宗丁宣邓郁单杭洪包诸左石崔吉龚程嵇邢裴陆荣翁荀羊惠甄曲家封芮储"
    "靳汲糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全班仰秋仲伊宫宁仇栾暴甘厉戎祖武符刘景詹束龙叶幸司韶黎溥屠鄂欧诸葛司马上官慕容嬴玄屈"
)
