package sso

import (
	"net/netip"
	"strings"
)

// deviceOf is what an operator is shown of where a session was begun: the kind of browser and of system, and the network. It tells
// a person's machines apart well enough to end the right session, and not who they are; nothing is decided by it.
func deviceOf(userAgent string, from netip.Addr) string {
	kind := browserOf(userAgent)
	if system := systemOf(userAgent); system != "" {
		kind += " on " + system
	}
	if network := networkOf(from); network != "" {
		kind += ", " + network
	}
	return kind
}

// family is a name that a User-Agent is known by.
type family struct{ has, name string }

// firstFamily returns the name of the first family whose word is in text.
func firstFamily(text, otherwise string, families []family) string {
	if len(text) > 1024 {
		text = text[:1024]
	}
	for _, f := range families {
		if strings.Contains(text, f.has) {
			return f.name
		}
	}
	return otherwise
}

// browserOf reads the family of a browser. The order matters: most of them also claim to be those further down.
func browserOf(userAgent string) string {
	return firstFamily(userAgent, "another client", []family{
		{"WeLink", "WeLink"},
		{"MicroMessenger/", "WeChat"},
		{"DingTalk/", "DingTalk"},
		{"Lark/", "Feishu"},
		{"HuaweiBrowser/", "Huawei Browser"},
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"QQBrowser/", "QQ Browser"},
		{"UCBrowser/", "UC Browser"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"Trident/", "Internet Explorer"},
		{"MSIE ", "Internet Explorer"},
		{"curl/", "curl"},
	})
}

// systemOf reads the system that a browser runs on, or "".
func systemOf(userAgent string) string {
	return firstFamily(userAgent, "", []family{
		{"OpenHarmony", "HarmonyOS"},
		{"HarmonyOS", "HarmonyOS"},
		{"Windows", "Windows"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"},
		{"Linux", "Linux"},
	})
}

// networkOf is the network of an address: of IPv4 the /24, of IPv6 the /48 that a site has. Empty for none.
func networkOf(from netip.Addr) string {
	if !from.IsValid() {
		return ""
	}
	from = from.Unmap().WithZone("")
	bits := 48
	if from.Is4() {
		bits = 24
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}
