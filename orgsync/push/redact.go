package push

import "strings"

// Redact returns the body with the value of every clientSecret cut out, whatever the
// spelling of the name and however often it stands there; all other bytes stay. Of a
// body that is not JSON nothing is returned, as nobody can say where a secret in it is.
func Redact(body []byte) []byte {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	out := make([]byte, 0, len(body))
	from := uint32(0)
	for _, secret := range secrets(doc.root(), nil) {
		t := secret.token()
		out = append(out, body[from:t.start]...)
		out = append(out, `""`...)
		from = t.end
	}
	return append(out, body[from:]...)
}

// secrets adds the values named clientSecret in n to found, in the order of the text.
func secrets(n node, found []node) []node {
	for e := range n.elements() {
		found = secrets(e, found)
	}
	for name, value := range n.members() {
		if strings.EqualFold(name.unquote(), fieldClientSecret) {
			found = append(found, value)
			continue
		}
		found = secrets(value, found)
	}
	return found
}
