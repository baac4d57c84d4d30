package store

import (
	"context"
	"crypto/cipher"
	"database/sql"
	"encoding/json"
	"math"
	"strings"

	"github.com/kitbridge/kitbridge/orgsync"
)

const (
	// How many pushes an explanation has, and how many it reads to find them.
	explainedPushes = 20
	searchedPushes  = 500
	// How many bodies are in memory at a time.
	searchPage = 5
)

const selectBodies = "SELECT " + journalColumns + `, j.nonce, j.body FROM journal j
	WHERE j.id < ? AND j.scope = ? AND j.kind = ? AND j.body IS NOT NULL ORDER BY j.id DESC LIMIT ?`

// ExplainedPush is a push that names a user, with what it says of them.
type ExplainedPush struct {
	JournalItem
	// Flag is that of the message; Said are the user's attributes by their names on the
	// wire, as they were sent, redacted.
	Flag string            `json:"flag"`
	Said map[string]string `json:"said"`
}

// sealedPush is a push whose body is still kept.
type sealedPush struct {
	item  JournalItem
	nonce []byte
	body  []byte
}

// searchPushes opens the newest authSyncs of a scope, some at a time, until enough were
// found that name the user.
func (s *Store) searchPushes(ctx context.Context, e *Explanation, scope int64, key cipher.AEAD, user orgsync.UserName) error {
	for before := int64(math.MaxInt64); e.Searched < searchedPushes && len(e.Pushes) < explainedPushes; {
		pushes, err := collect(ctx, s.readers, func(rows *sql.Rows) (p sealedPush, err error) {
			p.item, err = scanJournalItem(rows, &p.nonce, &p.body)
			return p, err
		}, selectBodies, before, scope, orgsync.AuthSync, searchPage)
		if err != nil {
			return err
		}
		for _, p := range pushes {
			before = int64(p.item.ID)
			e.Searched++
			body, err := key.Open(nil, nil, p.body, bodyPlace(orgsync.AuthSync, string(p.nonce)))
			if err != nil {
				return err
			}
			if flag, said, ok := saidOf(body, user); ok && len(e.Pushes) < explainedPushes {
				e.Pushes = append(e.Pushes, ExplainedPush{JournalItem: p.item, Flag: flag, Said: said})
			}
		}
		if len(pushes) < searchPage {
			return nil
		}
	}
	return nil
}

// saidOf finds what the body of an authSync says of a user: flag and attributes, the
// latter of the last element that names them, redacted. userList is a list, or a text
// that holds one (marketplace access guide, authSync, both generations).
func saidOf(body []byte, user orgsync.UserName) (flag string, said map[string]string, ok bool) {
	var message map[string]any
	if json.Unmarshal(body, &message) != nil {
		return "", nil, false
	}
	var list any
	for name, value := range message {
		switch {
		case strings.EqualFold(name, "userList"):
			list = value
		case strings.EqualFold(name, "flag"):
			flag = brief(textOf(value))
		}
	}
	if text, isText := list.(string); isText && json.Unmarshal([]byte(text), &list) != nil {
		return "", nil, false
	}
	elements, _ := list.([]any)
	for _, element := range elements {
		fields, _ := element.(map[string]any)
		if textOf(fields["userName"]) == string(user) && user != "" {
			said, ok = saidAttributes(fields), true
		}
	}
	return flag, said, ok
}

// saidAttributes shows the attributes that are known by name, and nothing else of what
// was sent.
func saidAttributes(fields map[string]any) map[string]string {
	said := make(map[string]string, len(fields))
	for name, value := range fields {
		if a, known := orgsync.AttributeNamed(name); known {
			said[name] = redact(a, textOf(value))
		}
	}
	return said
}

// textOf is a JSON value as a person would write it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		b, _ := json.Marshal(v) // it was decoded from JSON
		return string(b)
	}
}
