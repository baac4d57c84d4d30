package sso

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// casNamespace is that of the protocol's XML (CAS Protocol 3.0, appendix A).
	casNamespace = "http://www.yale.edu/tp/cas"
	// maxElements bounds the elements of an answer, and maxDepth how they nest.
	maxElements = 512
	maxDepth    = 8
)

// readValidation reads the answer of serviceValidate, in XML or JSON: who the ticket was made for. What the auth centre does
// not accept is [ErrCodeSpent]; what cannot be read in exactly one way is [ErrProviderAnswer].
func readValidation(body []byte) (claims, error) {
	body = bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xEF\xBB\xBF"))
	switch {
	case bytes.HasPrefix(body, []byte("<")):
		root, err := readXML(body)
		if err != nil {
			return nil, err
		}
		return judgeXML(root)
	case bytes.HasPrefix(body, []byte("{")):
		return readValidationJSON(body)
	}
	return nil, fmt.Errorf("neither XML nor JSON: %w", ErrProviderAnswer)
}

// element is an XML element of the protocol. Its text is all of it, whatever comments stand in between.
type element struct {
	name     string
	text     strings.Builder
	children []*element
}

// readXML reads one document. It knows no entities but XML's own five and no document type, so nothing in it can refer to
// anything outside; and it knows one vocabulary, so that no element can pass for another by its prefix.
func readXML(body []byte) (*element, error) {
	bad := func(what string) error { return fmt.Errorf("XML: %s: %w", what, ErrProviderAnswer) }
	dec := xml.NewDecoder(bytes.NewReader(body))
	var root *element
	var open []*element
	for count := 0; ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if err != nil {
			return nil, bad("malformed")
		}
		switch t := token.(type) {
		case xml.StartElement:
			// A prefix that is bound to nothing is left as it is by the decoder: some servers forget the declaration.
			if s := t.Name.Space; s != "" && s != casNamespace && s != "cas" {
				return nil, bad("element of another vocabulary")
			}
			if count++; count > maxElements || len(open) >= maxDepth || root != nil && len(open) == 0 {
				return nil, bad("structure")
			}
			e := &element{name: t.Name.Local}
			if root == nil {
				root = e
			} else {
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, bad("text outside")
			}
		case xml.Directive:
			return nil, bad("document type")
		case xml.ProcInst:
			if t.Target != "xml" || root != nil {
				return nil, bad("processing instruction")
			}
		}
	}
}

// judgeXML returns what one success says. Anything beside it, or two of what may stand once, is refused.
func judgeXML(root *element) (claims, error) {
	bad := func(what string) error { return fmt.Errorf("XML: %s: %w", what, ErrProviderAnswer) }
	if root.name != "serviceResponse" || len(root.children) != 1 {
		return nil, bad("not one serviceResponse with one answer")
	}
	said := claims{}
	user, attributes := 0, 0
	switch answer := root.children[0]; answer.name {
	case "authenticationFailure":
		return nil, ErrCodeSpent
	case "authenticationSuccess":
		for _, e := range answer.children {
			switch e.name {
			case "user":
				if user++; user > 1 || len(e.children) > 0 {
					return nil, bad("user")
				}
				said["user"] = quote(strings.TrimSpace(e.text.String()))
			case "attributes":
				if attributes++; attributes > 1 {
					return nil, bad("attributes stand twice")
				}
			case "proxies": // the ticket was another service's to give (CAS Protocol 3.0, section 2.6.2)
				return nil, bad("proxied")
			}
		}
	default:
		return nil, bad("neither success nor failure")
	}
	for _, e := range root.children[0].children {
		if e.name != "attributes" {
			continue
		}
		if err := readAttributes(said, e); err != nil {
			return nil, err
		}
	}
	return withUser(said)
}

// readAttributes adds attributes to said. One that stands more than once becomes a list, which nothing that matters may be.
func readAttributes(said claims, attributes *element) error {
	values := map[string][]string{}
	for _, e := range attributes.children {
		if len(e.children) > 0 || e.name == "user" {
			continue // nothing that is asked for has a structure
		}
		values[e.name] = append(values[e.name], strings.TrimSpace(e.text.String()))
	}
	for name, all := range values {
		if len(all) == 1 {
			said[name] = quote(all[0])
			continue
		}
		list, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("XML: attribute: %w", ErrProviderAnswer)
		}
		said[name] = list
	}
	return nil
}

// quote is text as JSON. Text that encoding/xml let pass is valid UTF-8.
func quote(text string) json.RawMessage {
	quoted, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage("null")
	}
	return quoted
}

// withUser gives the account's name, which the protocol calls user, the name that identify looks for last.
func withUser(said claims) (claims, error) {
	user, ok := said.text("user")
	if !ok || user == "" {
		return nil, fmt.Errorf("no user: %w", ErrIdentity)
	}
	name, ok := said.first(userNameClaims()...)
	if !ok {
		return nil, fmt.Errorf("claim userName: %w", ErrIdentity)
	}
	if name == "" {
		said["userName"] = said["user"]
	}
	return said, nil
}

// readValidationJSON reads the JSON form, whose attributes are texts or lists of one text.
func readValidationJSON(body []byte) (claims, error) {
	outer, err := decodeClaims(body)
	if err != nil {
		return nil, err
	}
	response, err := decodeClaims(outer["serviceResponse"])
	if err != nil {
		return nil, err
	}
	success, failure := present(response["authenticationSuccess"]), present(response["authenticationFailure"])
	if success == failure {
		return nil, fmt.Errorf("JSON: not one of success and failure: %w", ErrProviderAnswer)
	}
	if failure {
		return nil, ErrCodeSpent
	}
	answer, err := decodeClaims(response["authenticationSuccess"])
	if err != nil {
		return nil, err
	}
	if list := bytes.TrimSpace(answer["proxies"]); present(list) && !bytes.Equal(list, []byte("[]")) {
		return nil, fmt.Errorf("JSON: proxied: %w", ErrProviderAnswer)
	}
	said := claims{}
	if present(answer["attributes"]) {
		if said, err = decodeClaims(answer["attributes"]); err != nil {
			return nil, err
		}
	}
	for name, value := range said {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) == nil && len(list) == 1 {
			said[name] = list[0]
		}
	}
	said["user"] = answer["user"]
	return withUser(said)
}

// present reports whether a member of a JSON object is there and not null.
func present(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}
