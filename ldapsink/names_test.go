package ldapsink_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kitbridge/kitbridge/ldapsink"
)

// TestNames: names that are read one after the other, with what stands above them remembered,
// are the same as those that are read alone, faults included; and so are the hashes of their
// keys.
func TestNames(t *testing.T) {
	t.Parallel()
	step := rapid.OneOf(
		rapid.SampledFrom([]string{
			"uid=li", "uid=Li", "UID=li", "ou=研发部", `ou=\E7\A0\94`, `cn=a\,b`, `cn=a\\`, `cn=\20a`, "cn= a ", " cn=a", "cn=a b", "cn=a  B",
			"cn=a+sn=b", "sn=b+cn=a", "cn=a=b", "cn=#0401", "cn=", "=x", "cn", "", `cn=a\`, `cn="a"`, "cn=a;ou=b", "1.2.3=x", "c n=x", "cn=ａ", "cn=\xff",
		}),
		rapid.StringMatching(`(uid|ou|CN)=[a-zA-Z0-9 ,;+=\\#"研é-]{0,6}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		folding := rapid.SampledFrom([]ldapsink.Folding{ldapsink.FoldCompatible, ldapsink.FoldCase}).Draw(t, "folding")
		n := ldapsink.NewNames(folding)
		above := rapid.SliceOfN(step, 1, 3).Draw(t, "above")
		for range rapid.IntRange(1, 6).Draw(t, "names") {
			text := step.Draw(t, "first")
			for _, s := range above[:rapid.IntRange(0, len(above)).Draw(t, "depth")] {
				text += "," + s
			}
			want, wantErr := folding.ParseDN(text)
			got, err := n.Parse(text)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%q: %v, alone %v", text, err, wantErr)
			}
			if diff := cmp.Diff([]string{want.Key(), want.String(), want.Value()}, []string{got.Key(), got.String(), got.Value()}); err == nil && diff != "" {
				t.Errorf("%q (-alone +together):\n%s", text, diff)
			}
			hash, wantHash, ok := n.Hashes(text)
			if ok != (wantErr == nil) || ok && hash != wantHash {
				t.Errorf("%q: hash %x, %v; that of its key is %x, %v", text, hash, ok, wantHash, wantErr)
			}
		}
	})
}
