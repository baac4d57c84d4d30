package sso_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kitbridge/kitbridge/sso"
)

func TestDevice(t *testing.T) {
	t.Parallel()
	const webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "
	for _, tt := range []struct{ name, agent, from, want string }{
		{"Firefox", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "203.0.113.77", "Firefox on Windows, 203.0.113.0/24"},
		{"Chrome, mapped address", "Mozilla/5.0 (X11; Linux x86_64) " + webkit + "Chrome/140.0.0.0 Safari/537.36", "::ffff:198.51.100.9", "Chrome on Linux, 198.51.100.0/24"},
		{"Edge says Chrome, too", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "2001:db8:1:2::3", "Edge on Windows, 2001:db8:1::/48"},
		{"Safari on a phone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "fe80::1%eth0", "Safari on iPhone, fe80::/48"},
		{"Safari", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "", "Safari on macOS"},
		{"Chrome on Android", "Mozilla/5.0 (Linux; Android 16) " + webkit + "Chrome/140.0.0.0 Mobile Safari/537.36", "10.1.2.3", "Chrome on Android, 10.1.2.0/24"},
		{"WeLink", "Mozilla/5.0 (Windows NT 10.0) " + webkit + "Chrome/100 Safari/537.36 HuaweiWeLink/7.1", "10.1.2.3", "WeLink on Windows, 10.1.2.0/24"},
		{"WeChat", "Mozilla/5.0 (Linux; Android 16) Chrome/140 MicroMessenger/8.0", "10.1.2.3", "WeChat on Android, 10.1.2.0/24"},
		{"HarmonyOS", "Mozilla/5.0 (Phone; OpenHarmony 5.0) " + webkit + "Chrome/114 ArkWeb/4 HuaweiBrowser/5.0", "10.1.2.3", "Huawei Browser on HarmonyOS, 10.1.2.0/24"},
		{"a script", "curl/8.5.0", "10.1.2.3", "curl, 10.1.2.0/24"},
		{"nothing", "", "", "another client"},
		{"what somebody wrote there", "zhang@example.com\r\n\x00<b>", "10.1.2.3", "another client, 10.1.2.0/24"},
		{"endless", strings.Repeat("x", 4096) + "Firefox/1", "10.1.2.3", "another client, 10.1.2.0/24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from, _ := netip.ParseAddr(tt.from) // "" is no address
			if got := sso.DeviceOf(tt.agent, from); got != tt.want {
				t.Errorf("device of %q from %q = %q, want %q", tt.agent, tt.from, got, tt.want)
			}
		})
	}
}
