package ssotest

import (
	"net/http"
	"net/url"
	"strings"
)

// unified is the marketplace's page for people who come from nowhere in
// particular (access guide, "WEB login sequence"): they name their tenant in
// the account, and arrive at the application's registered address with code
// and tenant. There is no state: the page takes none.
func (c *Centre) unified(w http.ResponseWriter, r *http.Request) {
	appID := r.URL.Query().Get("appId")
	if r.Method != http.MethodPost {
		c.login.show(w, r, http.StatusOK, loginView{})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	account := strings.TrimSpace(r.PostFormValue("username"))
	re, user, ok := c.authenticateAnywhere(account, r.PostFormValue("password"))
	if !ok {
		c.login.show(w, r, http.StatusUnauthorized, loginView{Account: account, Wrong: true})
		return
	}
	client, ok := c.clientOf(re, appID)
	if !ok {
		c.login.show(w, r, http.StatusBadRequest, loginView{Realm: re.name, Fault: "unknown appId"})
		return
	}
	// The session belongs to the tenant's domain, which may be another host:
	// a ticket carries the browser there.
	ticket := c.issue(grant{
		kind: ticketGrant, realm: re, userName: user.UserName, clientID: client.ID, redirectURI: client.RedirectURIs[0],
	}, ticketLife)
	http.Redirect(w, r, re.domain.String()+"/enter?ticket="+ticket, http.StatusSeeOther)
}

// enter ends a unified sign-in at the tenant's domain.
func (c *Centre) enter(w http.ResponseWriter, r *http.Request, re *realm) {
	g, user, ok := c.take(r.URL.Query().Get("ticket"), ticketGrant, re)
	if !ok {
		c.login.show(w, r, http.StatusBadRequest, loginView{Realm: re.name, Fault: "unknown ticket"})
		return
	}
	c.beginSession(w, re, user)
	g.kind = codeGrant
	answer := url.Values{"code": {c.issue(g, codeLife)}, "tenant": {re.id}}
	redirect(w, r, g.redirectURI, answer)
}

// authenticateAnywhere finds the tenant by the part behind the last "@".
func (c *Centre) authenticateAnywhere(account, password string) (*realm, User, bool) {
	_, code, _ := cutLast(account, "@")
	for _, re := range c.tenants {
		if code == "" || re.code != code {
			continue
		}
		if user, ok := c.authenticate(re, account, password); ok {
			return re, user, true
		}
	}
	return nil, User{}, false
}

func (c *Centre) clientOf(re *realm, appID string) (Client, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range re.clients {
		if appID != "" && client.AppID == appID {
			return client, true
		}
	}
	return Client{}, false
}
