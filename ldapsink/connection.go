package ldapsink

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Search implements [Directory].
func (p *pool) Search(ctx context.Context, q Search, yield func(Found) error) error {
	request := ldap.NewSearchRequest(q.Base.String(), int(q.Scope), ldap.NeverDerefAliases, 0, 0, false, q.Filter, q.Attributes, nil)
	paging := ldap.NewControlPaging(uint32(max(q.Page, 0))) //nolint:gosec // small
	if q.Page > 0 {
		request.Controls = []ldap.Control{paging}
	}
	spelling := make(map[string]string, len(q.Attributes))
	for _, name := range q.Attributes {
		spelling[strings.ToLower(name)] = name
	}
	return p.with(ctx, func(c *connection) error {
		result, err := c.fetch(ctx, request, q)
		for err == nil {
			answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if q.Page == 0 || !ok || len(answer.Cookie) == 0 {
				return handOut(result.Entries, spelling, yield)
			}
			// The server looks for the next page while this one is being handed out.
			paging.SetCookie(answer.Cookie)
			entries := result.Entries
			var failed error
			ahead := make(chan struct{})
			go func() { // ends with the request, which has a time-out
				defer close(ahead)
				result, failed = c.fetch(ctx, request, q)
			}()
			err = handOut(entries, spelling, yield)
			<-ahead
			if err == nil {
				err = failed
			}
		}
		return err
	})
}

// fetch reads one page, or all there is if no pages were asked for.
func (c *connection) fetch(ctx context.Context, request *ldap.SearchRequest, q Search) (*ldap.SearchResult, error) {
	var result *ldap.SearchResult
	err := c.do(ctx, "search", q.Base.String(), func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(result.Referrals) > 0 && !q.IgnoreReferrals {
		return nil, &OperationError{Action: "search", DN: q.Base.String(), Code: ldap.LDAPResultReferral}
	}
	for _, e := range result.Entries {
		if err := c.complete(ctx, e); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// handOut yields the entries, and keeps none.
func handOut(entries []*ldap.Entry, spelling map[string]string, yield func(Found) error) error {
	for i, e := range entries {
		entries[i] = nil
		if err := yield(newFoundEntry(e, spelling)); err != nil {
			return err
		}
	}
	return nil
}

// newFoundEntry spells the attributes as they were asked for, and notes the server's spelling.
func newFoundEntry(e *ldap.Entry, spelling map[string]string) Found {
	f := Found{DN: e.DN, Attributes: make(Attributes, len(e.Attributes))}
	for _, a := range e.Attributes {
		name, ok := spelling[a.Name]
		if !ok {
			if name, ok = spelling[strings.ToLower(a.Name)]; !ok {
				name = a.Name
			}
			spelling[a.Name] = name
		}
		f.Attributes[name] = a.Values
	}
	return f
}

// Write implements [Directory]. What was sent is waited for a little, also when ctx ends.
func (p *pool) Write(ctx context.Context, o Operation) error {
	return p.with(ctx, func(c *connection) error {
		late, end := linger(ctx, writeGrace)
		defer end()
		err := c.do(late, o.Kind.String(), o.DN.String(), func(conn *ldap.Conn) error { return write(conn, o) })
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
}

func write(conn *ldap.Conn, o Operation) error {
	switch o.Kind {
	case Add:
		request := ldap.NewAddRequest(o.DN.String(), nil)
		for _, name := range o.Attributes.names() {
			request.Attribute(name, o.Attributes[name])
		}
		return conn.Add(request)
	case Modify:
		return conn.Modify(modifyRequest(o))
	case Rename:
		above := ""
		if parent := o.NewDN.Parent(); !parent.Equal(o.DN.Parent()) {
			above = parent.String()
		}
		return conn.ModifyDN(ldap.NewModifyDNRequest(o.DN.String(), o.NewDN.RDN(), true, above))
	case Delete:
		return conn.Del(ldap.NewDelRequest(o.DN.String(), nil))
	default:
		return fmt.Errorf("unknown %s", o.Kind)
	}
}

func modifyRequest(o Operation) *ldap.ModifyRequest {
	request := ldap.NewModifyRequest(o.DN.String(), nil)
	for _, c := range o.Changes {
		switch c.Kind {
		case ReplaceValues:
			request.Replace(c.Name, c.Values)
		case AddValues:
			request.Add(c.Name, c.Values)
		case DeleteValues:
			request.Delete(c.Name, c.Values)
		}
	}
	return request
}

// Reset implements [Directory].
func (p *pool) Reset() { p.flush() }
