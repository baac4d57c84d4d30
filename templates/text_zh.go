package templates

func chineseTexts() *texts {
	return &texts{
		User:              "用户",
		Organisation:      "所属企业",
		RequestID:         "请求编号",
		Code:              "代码",
		Check:             "未通过的检查",
		Retry:             "重试",
		OtherOrganisation: "选择其他企业",
		Cancel:            "取消",
		SignInAgain:       "重新登录",

		ChooserTitle:   "请选择您所在的企业",
		ChooserIntro:   "您将在本企业的认证中心登录。请输入企业名称或企业简称（登录名中 @ 后面的部分）。",
		ChooserLabel:   "企业",
		ChooserSearch:  "查找",
		ChooserResults: "请选择企业",
		ChooserMore:    "还有更多结果，请输入更完整的名称。",
		ChooserNothing: "没有找到使用本产品的同名企业。请检查输入，或向企业管理员询问企业简称。",
		ChooserUnified: "不确定？通过云商店统一登录",

		ConfirmSignInTitle: "以此账号登录？",
		ConfirmSignInIntro: "此次登录不是从本站发起的。如果不是您本人操作，请不要继续。",
		ConfirmSwitchIntro: "此浏览器中已有其他用户登录。请仅在此次登录由您本人发起时继续，该用户将先被退出。",
		ConfirmCurrent:     "当前用户",
		ConfirmSignInYes:   "是我，登录",

		ConfirmSignOutTitle: "确定退出登录？",
		ConfirmSignOutIntro: "您将在此浏览器中退出本产品以及本企业的认证中心。",
		ConfirmSignOutYes:   "退出登录",

		PendingTitle: "正在准备您的账号",
		PendingWait:  "您已通过认证，企业正在向本产品同步您的账号，通常只需几秒钟。本页面会自动继续。",
		PendingLong:  "您已通过认证，但您的账号尚未同步到本产品。请向企业管理员确认是否已为您授权，然后重试。",
		PendingAgain: "再次检查",

		ResendTitle:    "您已重新登录",
		ResendIntro:    "您提交的表单因需要登录而暂未发送，目前尚未生效。现在以下列身份发送：",
		ResendYes:      "发送表单",
		SignedOutTitle: "您已退出登录",
		SignedOutText:  "如果使用的是公用电脑，请同时关闭浏览器的所有窗口。",

		problem: chineseProblem,
	}
}

const (
	zhAskAdmin  = "请联系您的企业管理员。"
	zhAskVendor = "请联系产品客服，并提供下方的请求编号。"
)

func chineseProblem(r Reason) problemText {
	switch r {
	case TenantMissing, UnknownTenant, TenantGone, TenantMismatch, IssuerMismatch, TestTenant, AppNotBound, AmbiguousApp:
		return chineseTenantProblem(r)
	case UserUnknown, UserDisabled, UserRemoved, AccessRevoked, IdentityIncomplete, Forbidden:
		return chineseUserProblem(r)
	case ProviderRefused, CodeSpent, CredentialRejected, ProviderError, TokenRejected, TwoPeople, ProviderElsewhere, AnswerTooLong,
		ProviderUnreachable, InsecureAuthCentre, HeldHost:
		return chineseProviderProblem(r)
	case BadRequest:
		return problemText{"无法识别此请求", "链接不完整或已损坏。", "请从产品首页重新开始。"}
	case NotFound:
		return problemText{"页面不存在", "此地址没有对应的页面。", "请从产品首页重新开始。"}
	case RateLimited:
		return problemText{"尝试次数过多", "您所在的网络在短时间内多次登录失败。", "请等待一分钟后重试。"}
	case Unavailable:
		return problemText{"暂时无法登录", "服务的一部分没有响应，目前不允许任何人登录。", "请稍后重试。如果问题持续，请联系产品客服，并提供下方的请求编号。"}
	case ProductUnreachable:
		return problemText{"产品暂时没有响应", "您的登录正常，但目前无法连接到产品本身。", "请稍后重试。如果问题持续，请联系产品客服。"}
	case AttemptLost:
		return problemText{"此次登录不属于当前浏览器", "浏览器没有带回登录开始时设置的 Cookie。登录可能是在其他浏览器或窗口中发起的，或者 Cookie 被禁用。", "请允许本站使用 Cookie，并在此重新登录。"}
	case AttemptExpired:
		return problemText{"登录超时", "此次登录开始于十分钟之前，或者已经完成。", "请重新登录。"}
	case Loop:
		return problemText{"登录陷入循环", "浏览器多次跳转登录却没有成功。通常是因为 Cookie 被禁用，或者访问产品所用的地址与配置的地址不一致。", "请允许本站使用 Cookie，一分钟后重试。"}
	default: // Internal
		return problemText{"系统内部错误", "这是系统的问题，与您的操作无关。", zhAskVendor}
	}
}

func chineseTenantProblem(r Reason) problemText {
	switch r {
	case TenantMissing:
		return problemText{"请确认您所在的企业", "此次登录没有说明属于哪个企业。", "请重新登录并选择您的企业。"}
	case TenantGone:
		return problemText{"该企业已停止使用本产品", "企业已解除绑定，或订阅已结束。", zhAskAdmin}
	case TenantMismatch:
		return problemText{"登录信息中的企业不一致", "此次登录的各部分指向不同的企业，因此已被拒绝。", "请重新登录。如果再次出现，请联系产品客服，并提供下方的请求编号。"}
	case IssuerMismatch:
		return problemText{"此应答来自其他认证中心", "应答不是由您企业的认证中心发出的，因此没有向其返回任何信息。", "请从产品首页重新开始。如果再次出现，请联系产品客服，并提供下方的请求编号。"}
	case TestTenant:
		return problemText{"测试企业不能在此登录", "该企业仅用于接口调试。", "请使用正式企业的账号登录。"}
	case AppNotBound:
		return problemText{"您的企业尚未绑定本产品", "企业还没有绑定本产品，或者绑定已被解除。", "请联系企业管理员在云商店中重新绑定。"}
	case AmbiguousApp:
		return problemText{"企业与本产品存在多个绑定", "您的企业与本产品有多个绑定，尚未指定用于登录的一个。", zhAskVendor}
	default: // UnknownTenant
		return problemText{"没有找到该企业", "没有使用本产品的企业与此名称或编号相符。", "请检查链接，或重新查找您的企业。"}
	}
}

func chineseUserProblem(r Reason) problemText {
	switch r {
	case UserDisabled:
		return problemText{"您的账号已停用", "企业已在本产品中停用您的账号。", zhAskAdmin}
	case UserRemoved:
		return problemText{"您的账号已被移除", "企业已将您的账号从本产品中移除。", zhAskAdmin}
	case AccessRevoked:
		return problemText{"您的授权已被取消", "企业已取消您使用本产品的授权。", zhAskAdmin}
	case IdentityIncomplete:
		return problemText{"认证中心没有返回您的身份", "企业认证中心登录成功，但没有返回用户名。", zhAskVendor}
	case Forbidden:
		return problemText{"您无权访问此页面", "您已登录，但您的角色不允许访问此页面。", zhAskAdmin}
	default: // UserUnknown
		return problemText{"您尚未获得本产品的授权", "您的企业使用本产品，但还没有为您开通账号。", zhAskAdmin}
	}
}

func chineseProviderProblem(r Reason) problemText {
	switch r {
	case ProviderRefused:
		return problemText{"登录已取消", "企业认证中心没有完成登录就返回了。", "请重新登录，或联系您的企业管理员。"}
	case CodeSpent:
		return problemText{"此次登录已失效", "登录信息已被使用或已过期，例如页面被重新加载。", "请重新登录。"}
	case CredentialRejected:
		return problemText{"企业认证中心不接受本产品", "企业与本产品之间的应用凭证在认证中心无效。", "请联系企业管理员在云商店中重新绑定本产品。"}
	case TokenRejected:
		return problemText{"企业认证中心的身份凭据无效", "认证中心发来的身份凭据未通过下方所列的检查，因此已被拒绝。", "请重新登录。如果问题持续，请联系产品客服，并提供下方的请求编号和检查名称。"}
	case TwoPeople:
		return problemText{"企业认证中心返回了两个不同的用户", "认证中心的两次应答不是同一个人，因此没有登录任何人。", "请重新登录。如果问题持续，请联系产品客服，并提供下方的请求编号和检查名称。"}
	case ProviderElsewhere:
		return problemText{"企业认证中心指向了其他地址", "认证中心要求访问不属于它的地址，因此没有向该地址发送任何信息。", "请联系产品客服，并提供下方的请求编号和检查名称。"}
	case AnswerTooLong:
		return problemText{"企业认证中心的应答过长", "应答超过了正常的长度，因此没有全部读取。", "请重试。如果问题持续，请联系产品客服，并提供下方的请求编号和检查名称。"}
	case ProviderUnreachable:
		return problemText{"企业认证中心没有响应", "在规定时间内无法连接到企业认证中心。", "请稍后重试。"}
	case InsecureAuthCentre:
		return problemText{"企业认证中心的地址不安全", "其地址不是可接受的 https 地址，因此没有向其发送任何信息。", zhAskVendor}
	case HeldHost:
		return problemText{"企业认证中心更换了地址", "新地址须经产品方人员确认后才能使用。", "请稍后重试，或联系产品客服，并提供下方的请求编号。"}
	default: // ProviderError
		return problemText{"企业认证中心返回异常", "认证中心返回了错误或无法识别的内容。", "请重试。如果问题持续，请联系产品客服，并提供下方的请求编号。"}
	}
}
