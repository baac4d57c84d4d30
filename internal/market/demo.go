package market

// DemoBuyers returns two enterprises made by hand, for the demonstration:
// 晨光制造, a maker of instruments, and 远航物流, a haulier. Both have a
// zhangsan, who are two people. They are new values at each call.
func DemoBuyers() []*Buyer { return []*Buyer{chenguang(), yuanhang()} }

func chenguang() *Buyer {
	b := &Buyer{
		InstanceID: "instance-chenguang-01", OrderID: "CS2609010001CG01",
		TenantID: "68cbc86abc2018ab880d92f36422fa0e", Code: "chenguang", Name: "晨光制造",
		AppID: "app-demo", ClientID: "client-chenguang", ClientSecret: "demo-only-chenguang-7f3a",
		Departments: []Department{
			{Code: "10000", Name: "总经理办公室"},
			{Code: "20000", Name: "产品部"},
			{Code: "20100", Name: "仪表产品线", Parent: "20000"},
			{Code: "20110", Name: "压力仪表组", Parent: "20100"},
			{Code: "20120", Name: "流量仪表组", Parent: "20100"},
			{Code: "20200", Name: "用户体验组", Parent: "20000"},
			{Code: "30000", Name: "生产制造部"},
			{Code: "30100", Name: "一号车间", Parent: "30000"},
			{Code: "30110", Name: "装配甲班", Parent: "30100"},
			{Code: "30120", Name: "装配乙班", Parent: "30100"},
			{Code: "30200", Name: "二号车间（精密加工）", Parent: "30000"},
			{Code: "40000", Name: "质量管理部"},
			{Code: "50000", Name: "财务部"},
		},
	}
	b.Users = demoUsers("chenguang.example.com", []User{
		{UserName: "zhangsan", Name: "张三", OrgCode: "20000", Role: "admin", Position: "产品总监", Mobile: "19900000001"},
		{UserName: "lisi", Name: "李四", OrgCode: "20110", Position: "高级工程师", Mobile: "19900000002"},
		{UserName: "wangfang", Name: "王芳", OrgCode: "20120", Position: "工程师"},
		{UserName: "ouyangxue", Name: "欧阳雪", OrgCode: "20200", Position: "交互设计师"},
		{UserName: "zhaolei", Name: "赵磊", OrgCode: "30100", Position: "车间主任"},
		{UserName: "sunjianguo", Name: "孙建国", OrgCode: "30110", Position: "班长"},
		{UserName: "zhoumin", Name: "周敏", OrgCode: "30120", Position: "技术员", EmployeeType: 3},
		{UserName: "wuhaoran", Name: "吴浩然", OrgCode: "30200", Position: "实习生", EmployeeType: 2},
		{UserName: "zhengjing", Name: "郑静", OrgCode: "40000", Position: "质检员"},
		{UserName: "chenli", Name: "陈丽", OrgCode: "50000", Position: "会计"},
		{UserName: "huangqiang", Name: "黄强", OrgCode: "10000", Position: "总经理"},
		{UserName: "qianduo", Name: "钱多", OrgCode: "50000", Position: "出纳", Disabled: true},
	})
	return b
}

func yuanhang() *Buyer {
	b := &Buyer{ //nolint:gosec // G101: opens nothing but the demonstration
		InstanceID: "instance-yuanhang-01", OrderID: "CS2609020001YH01",
		TenantID: "5a1d0c9f3b7e4826a0f1c2d3e4b5a697", Code: "yuanhang", Name: "远航物流",
		AppID: "app-demo", ClientID: "client-yuanhang", ClientSecret: "demo-only-yuanhang-c04e",
		Departments: []Department{
			{Code: "YH-01", Name: "运营中心"},
			{Code: "YH-0101", Name: "华东区", Parent: "YH-01"},
			{Code: "YH-010101", Name: "上海调度站", Parent: "YH-0101"},
			{Code: "YH-010102", Name: "宁波港务组", Parent: "YH-0101"},
			{Code: "YH-0102", Name: "华南区", Parent: "YH-01"},
			{Code: "YH-010201", Name: "深圳调度站", Parent: "YH-0102"},
			{Code: "YH-02", Name: "仓储部"},
			{Code: "YH-0201", Name: "冷链仓（-18℃）", Parent: "YH-02"},
			{Code: "YH-03", Name: "客户服务部"},
			{Code: "YH-04", Name: "人力资源部"},
		},
	}
	b.Users = demoUsers("yuanhang.example.com", []User{
		{UserName: "linhai", Name: "林海", OrgCode: "YH-01", Role: "admin", Position: "运营总监", Mobile: "19900000101"},
		{UserName: "zhangsan", Name: "张三", OrgCode: "YH-010101", Position: "调度员", Mobile: "19900000102"},
		{UserName: "heping", Name: "何平", OrgCode: "YH-010102", Position: "港务主管"},
		{UserName: "guojing", Name: "郭静", OrgCode: "YH-010201", Position: "调度员"},
		{UserName: "machao", Name: "马超", OrgCode: "YH-0201", Position: "仓管员", EmployeeType: 4},
		{UserName: "luoyan", Name: "罗艳", OrgCode: "YH-03", Position: "客服专员"},
		{UserName: "tangxiaodong", Name: "唐晓东", OrgCode: "YH-0102", Position: "区域经理"},
		{UserName: "xuna", Name: "徐娜", OrgCode: "YH-04", Position: "招聘专员"},
	})
	return b
}

// demoUsers fills in what is the same for all. The password is the user name
// and "-demo".
func demoUsers(mail string, users []User) []User {
	for i := range users {
		u := &users[i]
		u.Password = u.UserName + "-demo"
		u.Email = u.UserName + "@" + mail
		if u.Role == "" {
			u.Role = "user"
		}
		if u.EmployeeType == 0 {
			u.EmployeeType = 1
		}
	}
	return users
}
