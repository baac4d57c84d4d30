package ssotest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// casLogin shows the login form, takes it, and sends the browser to the
// service with a ticket once it has a session (access guide, "CAS protocol
// API"; CAS Protocol 3.0, section 2.1).
func (c *Centre) casLogin(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Authorize++ })
	service := r.URL.Query().Get("service")
	if len(r.URL.Query()["service"]) != 1 || !c.ours(re, service) {
		c.login.show(w, r, http.StatusBadRequest, loginView{Realm: re.name, Fault: "service is not registered"})
		return
	}
	if r.Method == http.MethodPost {
		c.takeLogin(w, r, re, "/api/v1/cas/login")
		return
	}
	user, ok := c.signedIn(r, re)
	if !ok {
		c.login.show(w, r, http.StatusOK, loginView{Realm: re.name})
		return
	}
	ticket := "ST-" + c.issue(grant{kind: serviceGrant, realm: re, userName: user.UserName, redirectURI: service}, ticketLife)
	redirect(w, r, service, url.Values{"ticket": {ticket}})
}

// casValidate says who a ticket is for, once, to the service it was made for.
func (c *Centre) casValidate(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Validate++ })
	defect := c.currentDefect()
	if defect == CASHang {
		c.hang(r)
		return
	}
	q := r.URL.Query()
	ticket, isService := strings.CutPrefix(q.Get("ticket"), "ST-")
	g, user, ok := c.take(ticket, serviceGrant, re)
	answer := casAnswer{prefix: "cas:", namespace: ` xmlns:cas="http://www.yale.edu/tp/cas"`}
	switch {
	case !isService || !ok:
		answer.failure = "INVALID_TICKET"
	case g.redirectURI != q.Get("service"): // byte for byte
		answer.failure = "INVALID_SERVICE"
	default:
		answer.user = user.UserName
		answer.attributes = map[string]string{
			"userName": user.UserName, "name": user.Name, "role": user.Role, "organizationCode": user.OrgCode, "tenant": re.id,
			"isFromNewLogin": "true", "longTermAuthenticationRequestTokenUsed": "false",
		}
	}
	answer.json = strings.EqualFold(q.Get("format"), "JSON")
	out := defect.spoilValidation(answer)
	out.send(w)
}

// casLogout ends the browser's session, as logout does.
func (c *Centre) casLogout(w http.ResponseWriter, r *http.Request, re *realm) {
	c.count(re, func(calls *Calls) { calls.Logout++ })
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.drop(cookie.Value)
	}
	http.SetCookie(w, re.cookie("", -1))
	c.leave(w, r, re, r.URL.Query().Get("service"))
}

// casAnswer is what a validation says, before it is written in one of its forms.
type casAnswer struct {
	failure           string // code; empty: success
	user              string
	attributes        map[string]string
	prefix, namespace string // of the XML elements
	json, lists       bool
}

func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// success is the element authenticationSuccess, with who in place of the escaped user.
func (a casAnswer) success(who string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<%[1]sauthenticationSuccess><%[1]suser>%[2]s</%[1]suser><%[1]sattributes>", a.prefix, who)
	for _, name := range slices.Sorted(maps.Keys(a.attributes)) {
		fmt.Fprintf(&b, "<%[1]s%[2]s>%[3]s</%[1]s%[2]s>", a.prefix, name, text(a.attributes[name]))
	}
	fmt.Fprintf(&b, "</%[1]sattributes></%[1]sauthenticationSuccess>", a.prefix)
	return b.String()
}

func (a casAnswer) failed() string {
	return fmt.Sprintf(`<%[1]sauthenticationFailure code="%[2]s">ticket or service not recognized</%[1]sauthenticationFailure>`, a.prefix, a.failure)
}

// document wraps content into a serviceResponse.
func (a casAnswer) document(content string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<%[1]sserviceResponse%[2]s>%[3]s</%[1]sserviceResponse>\n", a.prefix, a.namespace, content)
}

func (a casAnswer) reply() *reply {
	if a.json || a.lists {
		inner := map[string]any{"authenticationFailure": map[string]string{"code": a.failure, "description": "not recognized"}}
		if a.failure == "" {
			attributes := map[string]any{}
			for name, value := range a.attributes {
				attributes[name] = value
				if a.lists {
					attributes[name] = []string{value}
				}
			}
			inner = map[string]any{"authenticationSuccess": map[string]any{"user": a.user, "attributes": attributes}}
		}
		body, err := json.Marshal(map[string]any{"serviceResponse": inner})
		if err != nil {
			return refuse(http.StatusInternalServerError, "server_error", "encode")
		}
		return &reply{status: http.StatusOK, raw: body}
	}
	content := a.failed()
	if a.failure == "" {
		content = a.success(text(a.user))
	}
	return a.xml(a.document(content))
}

func (a casAnswer) xml(body []byte) *reply {
	return &reply{status: http.StatusOK, contentType: "application/xml;charset=UTF-8", raw: body}
}

// spoilValidation writes a's answer, wrong in the way of d. A failure stays one.
func (d Defect) spoilValidation(a casAnswer) *reply {
	if a.failure != "" {
		return a.reply()
	}
	failed := a
	failed.failure = "INVALID_TICKET"
	someone := a
	someone.user, someone.attributes = "admin", map[string]string{"userName": "admin"}
	switch d {
	case CASJSON:
		a.json = true
	case CASJSONLists:
		a.lists = true
	case CASNoNamespace:
		a.prefix, a.namespace = "", ""
	case CASUnboundPrefix:
		a.namespace = ""
	case CASForeignPrefix:
		a.namespace = ` xmlns:cas="https://evil.example/cas"`
	case CASBadTicket:
		return failed.reply()
	case CASTenantForeign:
		a.attributes["tenant"] = foreignTenant
	case CASAttributesNone:
		a.attributes = nil
	case CASUserMissing:
		delete(a.attributes, "userName")
		a.user = ""
	default:
		if body := d.spoilXML(a, failed, someone); body != nil {
			return a.xml(body)
		}
		return d.spoilTransport(a.reply())
	}
	return a.reply()
}

// spoilXML returns the document of a defect that no answer has the form of, or nil.
func (d Defect) spoilXML(a, failed, someone casAnswer) []byte {
	who := text(a.user)
	switch d {
	case CASBoth:
		return a.document(a.success(who) + failed.failed())
	case CASTwoSuccesses:
		return a.document(a.success(who) + someone.success("admin"))
	case CASTwoUsers:
		return a.document(a.success(who + "</cas:user><cas:user>admin"))
	case CASUserNames:
		return bytes.Replace(a.document(a.success(who)), []byte("</cas:attributes>"), []byte("<cas:userName>admin</cas:userName></cas:attributes>"), 1)
	case CASComment:
		delete(a.attributes, "userName")
		return a.document(a.success("admin<!-- -->." + who))
	case CASEntity:
		return append([]byte(`<!DOCTYPE r [<!ENTITY who SYSTEM "file:///etc/hostname">]>`), a.document(a.success("&who;"))...)
	case CASBillion:
		return append([]byte(`<!DOCTYPE r [<!ENTITY a "admin"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`), a.document(a.success("&b;"))...)
	case CASProxied:
		return a.document(strings.Replace(a.success(who), "</cas:user>", "</cas:user><cas:proxies><cas:proxy>https://evil.example/</cas:proxy></cas:proxies>", 1))
	case CASNested:
		return a.document("<cas:authenticationFailure>" + a.success(who) + "</cas:authenticationFailure>")
	case CASTrailing:
		return append(a.document(failed.failed()), a.document(a.success(who))...)
	default:
		return nil
	}
}

func (d Defect) spoilTransport(well *reply) *reply {
	switch d {
	case CASHTML:
		return &reply{status: http.StatusOK, contentType: "text/html", raw: []byte("<!doctype html><title>503</title>")}
	case CASServerError:
		return refuse(http.StatusInternalServerError, "server_error", "Internal error")
	case CASRedirect:
		return &reply{status: http.StatusFound, raw: []byte{}, location: elsewhere}
	case CASHuge:
		well.raw = append(well.raw, bytes.Repeat([]byte(" "), hugeBody)...)
	default:
	}
	return well
}
