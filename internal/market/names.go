package market

// word is a Chinese word and how a login name spells it.
type word struct{ han, latin string }

func surnames() []word {
	return []word{
		{"王", "wang"},
		{"李", "li"},
		{"张", "zhang"},
		{"刘", "liu"},
		{"陈", "chen"},
		{"杨", "yang"},
		{"赵", "zhao"},
		{"黄", "huang"},
		{"周", "zhou"},
		{"吴", "wu"},
		{"徐", "xu"},
		{"孙", "sun"},
		{"胡", "hu"},
		{"朱", "zhu"},
		{"高", "gao"},
		{"林", "lin"},
		{"何", "he"},
		{"郭", "guo"},
		{"马", "ma"},
		{"罗", "luo"},
		{"梁", "liang"},
		{"宋", "song"},
		{"郑", "zheng"},
		{"谢", "xie"},
		{"韩", "han"},
		{"唐", "tang"},
		{"冯", "feng"},
		{"于", "yu"},
		{"董", "dong"},
		{"萧", "xiao"},
		{"欧阳", "ouyang"},
		{"司马", "sima"},
	}
}

func givenNames() []word {
	return []word{
		{"伟", "wei"},
		{"芳", "fang"},
		{"娜", "na"},
		{"敏", "min"},
		{"静", "jing"},
		{"丽", "li"},
		{"强", "qiang"},
		{"磊", "lei"},
		{"军", "jun"},
		{"洋", "yang"},
		{"勇", "yong"},
		{"艳", "yan"},
		{"杰", "jie"},
		{"娟", "juan"},
		{"涛", "tao"},
		{"明", "ming"},
		{"超", "chao"},
		{"秀英", "xiuying"},
		{"霞", "xia"},
		{"平", "ping"},
		{"刚", "gang"},
		{"桂英", "guiying"},
		{"建国", "jianguo"},
		{"文博", "wenbo"},
		{"雨桐", "yutong"},
		{"子涵", "zihan"},
		{"浩然", "haoran"},
		{"思远", "siyuan"},
		{"晓东", "xiaodong"},
		{"志强", "zhiqiang"},
		{"海燕", "haiyan"},
		{"梓萱", "zixuan"},
		{"宇轩", "yuxuan"},
		{"佳怡", "jiayi"},
		{"俊杰", "junjie"},
	}
}

func topDepartments() []string {
	return []string{
		"产品部", "研发中心", "销售部", "市场部", "财务部", "人力资源部", "生产制造部", "质量管理部", "采购部", "仓储物流部", "信息中心", "法务部",
		"行政部", "客户服务部",
	}
}

func midDepartments() []string {
	return []string{"一部", "二部", "三部", "华东区", "华南区", "华北区", "西南区", "综合科", "计划科", "技术科"}
}

func lowDepartments() []string {
	return []string{"一组", "二组", "三组", "项目组", "支持组", "甲班", "乙班"}
}

func positions() []string {
	return []string{"工程师", "高级工程师", "专员", "主管", "经理", "助理", "会计", "技术员"}
}

func workPlaces() []string {
	return []string{"上海市浦东新区张江路88号", "深圳市南山区科技园南区", "杭州市滨江区江南大道", "成都市高新区天府大道", "武汉市东湖高新区"}
}

// awkwardNames are display names and department names that need care in a DN,
// in LDIF, in SQL, in HTML or in a CSV cell. All are legal.
func awkwardNames() []string {
	return []string{
		"王,小明", `李"四"`, "#号员工", "赵+钱", " 前导空格", "尾随空格 ", `反\斜杠`, "a=b;c<d>", "🙂表情", "Ｆｕｌｌ　Ｗｉｄｔｈ", "O'Neil", "=1+1",
		"<b>粗体</b>", "100%", "𠮷田", "é́组合", "Ａ／Ｂ <测试>",
	}
}

// awkwardUserNames are login names of the same kind.
func awkwardUserNames() []string {
	return []string{
		"wang,ming", `li"si`, "#sharp", "zhao+qian", `back\slash`, "a=b", "semi;colon", "less<more>", "dash-ed.name_1", "张三丰", "ＦＵＬＬ",
		"o'neil", "at@home", "per%cent", "slash/ed",
	}
}
