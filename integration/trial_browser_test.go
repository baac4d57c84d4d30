//go:build integration

package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// pasted is a shell into which somebody pastes the commands of a page, one block after another.
type pasted struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	edit *strings.Replacer
}

// paste runs a block of docs/sign-in.md as it is printed, but for addresses and the folder, and returns what it wrote.
func (p *pasted) paste(block string) string {
	p.t.Helper()
	_, rest, found := strings.Cut(readPage(p.t, "sign-in.md"), "<!-- run: "+block+" -->\n```sh\n")
	text, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended {
		p.t.Fatalf("docs/sign-in.md has no block %s", block)
	}
	const mark = "-- pasted --"
	if _, err := fmt.Fprintf(p.in, "%s\necho '%s'\n", p.edit.Replace(text), mark); err != nil {
		p.t.Fatal(err)
	}
	var out strings.Builder
	for {
		line, err := p.out.ReadString('\n')
		if line == mark+"\n" {
			return out.String()
		}
		out.WriteString(line)
		if err != nil {
			p.t.Fatalf("block %s: %v\n%s", block, err, out.String())
		}
	}
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// openShell starts one at the top of the repository. What it leaves running is ended.
func openShell(t *testing.T, folder string, addresses map[string]string) *pasted {
	t.Helper()
	replace := []string{"$PWD/trial", folder, "trial", folder}
	for printed, used := range addresses {
		replace = append(replace, printed, used)
	}
	shell := exec.CommandContext(t.Context(), "/bin/sh", "-e")
	shell.Dir, shell.SysProcAttr = "..", &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	shell.WaitDelay = 5 * time.Second
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	shell.Stderr = shell.Stdout
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()                                                                    //nolint:errcheck // the shell ends by it
		if text, err := os.ReadFile(filepath.Join(folder, "nginx.pid")); err == nil { // it made itself a daemon
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				syscall.Kill(pid, syscall.SIGTERM) //nolint:errcheck // it may have ended
			}
		}
		syscall.Kill(-shell.Process.Pid, syscall.SIGTERM) //nolint:errcheck // all may have ended
		shell.Wait()                                      //nolint:errcheck // the blocks tell what failed
	})
	return &pasted{t, in, bufio.NewReader(out), strings.NewReplacer(replace...)}
}

// fetch asks for an address of the page's own origin as a script of the page does, and returns status and body.
func (w *window) fetch(path string) string {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`window.said = ""; fetch("` + path + `").then(async (r) => { said = r.status + " " + await r.text() }).catch((e) => { said = "failed: " + e }); 0`))
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	said, err := chromedp.Run(ctx, chromedp.Poll[string]("window.said"))
	if err != nil {
		w.t.Fatalf("fetch %s: %v", path, err)
	}
	return said
}

// TestTrial does what docs/sign-in.md tells people to do in ten minutes, word for word, and looks at it in a browser.
func TestTrial(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "trial")
	front, kitbridge, product := localAddress(t), localAddress(t), localAddress(t)
	addresses := map[string]string{
		"127.0.0.1:8000": front, "127.0.0.1:8080": kitbridge, "127.0.0.1:9000": product,
		`"127.0.0.1", 9000`: strings.Replace(`"`+product, ":", `", `, 1),
	}
	shell := openShell(t, folder, addresses)
	began := time.Now()
	shell.paste("1")
	printed := shell.paste("2")
	if !strings.Contains(printed, "http://"+front+"/") || !strings.Contains(printed, "zhangsan-demo") {
		t.Errorf("the demonstration does not say what to open, or as whom to sign in:\n%s", printed)
	}
	shell.paste("3")
	site := filepath.Join(folder, "app.conf") // taken from the page by the commands, with the addresses that are printed there
	text, err := os.ReadFile(site)
	if err != nil {
		t.Fatal(err)
	}
	write(t, folder, map[string]string{"app.conf": shell.edit.Replace(string(text))})
	shell.paste("4")
	t.Logf("set up in %v", time.Since(began))

	want := "Location: http://" + front + "/sso/login\r\n" + `{"error":"unauthenticated","login_url":"http://` + front + `/sso/login?return=%2Fapi%2Forders"}`
	if got := strings.TrimSpace(shell.paste("5")); !strings.EqualFold(got, want) {
		t.Errorf("without a session:\n%s\nwant\n%s", got, want)
	}
	w := openBrowser(t).open(t, look{language: "zh-CN"})
	w.do(chromedp.Navigate("http://" + front + "/orders"))
	w.shows(chenguang, yuanhang)
	w.follow(chromedp.Click(chromedp.Search("//a[contains(., '" + chenguang + "')]")))
	w.enter("zhangsan", "zhangsan-demo")
	_, rest, _ := strings.Cut(readPage(t, "sign-in.md"), "Your product\nanswers\n\n```text\n")
	answer, _, found := strings.Cut(rest, "\n```")
	if !found {
		t.Fatal("the page does not say what the product answers")
	}
	w.shows(strings.Split(answer, "\n")...)
	if at := w.at(); at != "/orders" {
		t.Errorf("signed in at %s, want the page that was asked for", at)
	}
	w.keep("trial-product")
	if out := shell.paste("6"); !strings.Contains(out, accepted) {
		t.Errorf("taking access away answered %s", out)
	}
	wantScript := `401 {"error":"unauthenticated","login_url":"http://` + front + `/sso/login?return=%2Forders"}`
	await(t, 2*time.Second, func() string { // a script of the page that is still open, through nginx
		return cmp.Diff(wantScript, strings.TrimSpace(w.fetch("/api/orders")))
	})
	await(t, 2*time.Second, func() string {
		w.do(chromedp.Reload())
		if text := w.text(); strings.Contains(text, "account:") {
			return text
		}
		return ""
	})
	w.seesSoon("您的授权已被取消", chenguang)
	shell.paste("7")
	await(t, 5*time.Second, func() string { return strings.Join(processesNaming(t, folder), "\n") })
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", folder, err)
	}
}
