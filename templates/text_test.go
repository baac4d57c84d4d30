package templates

import (
	"reflect"
	"testing"
)

// The fields are private; a page that lacks one word looks almost right.
func TestNoTextIsEmpty(t *testing.T) {
	for name, text := range map[string]*texts{"zh": chineseTexts(), "en": englishTexts()} {
		v := reflect.ValueOf(*text)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: %s is empty", name, v.Type().Field(i).Name)
			}
		}
	}
}
