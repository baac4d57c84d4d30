package market

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Generation is a version of the protocol.
type Generation int

// The two generations.
const (
	V2 Generation = iota // headers x-sign, x-timestamp, x-nonce
	V1                   // header authToken; answers carry Body-Sign
)

// Config is what a [Client] needs.
type Config struct {
	// Target is the seller's production address, to which the kit's paths are
	// appended. Required.
	Target string
	// Generation is the protocol spoken. Default V2.
	Generation Generation
	// Key is the shared key of that generation. Required.
	Key string
	// Form is what V2 signatures are made over. Default RawBody.
	Form SignedForm
	// PublicKey encrypts client secrets. Without it an ApplicationSync that
	// carries one cannot be prepared.
	PublicKey *rsa.PublicKey
	// Digests are those of the encryption. Default SHA256.
	Digests Digests
	// HTTP sends the requests. Default: a client that gives up after 20
	// seconds, as the platform does, and follows no redirects.
	HTTP *http.Client
	// Now is the clock. Required.
	Now func() time.Time
}

const (
	// platformTimeout is how long the platform waits for an answer.
	platformTimeout = 20 * time.Second
	maxAnswer       = 1 << 20
)

// Client sends pushes to one production address. It is safe for concurrent
// use; the order of time stamps is the order of the calls to Prepare.
type Client struct {
	cfg    Config
	target *url.URL

	mu   sync.Mutex
	last int64 // the newest time stamp given, in ms; guarded by mu
}

// NewClient returns a client, or what is wrong with cfg. It sends nothing.
func NewClient(cfg Config) (*Client, error) {
	target, err := url.Parse(strings.TrimRight(cfg.Target, "/"))
	if err != nil || target.Host == "" || target.RawQuery != "" {
		return nil, fmt.Errorf("production address %q is not an absolute address without a query", cfg.Target)
	}
	if cfg.Key == "" || cfg.Now == nil {
		return nil, errors.New("market client needs a key and a clock")
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{
			Timeout:       platformTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Client{cfg: cfg, target: target}, nil
}

// Push is a message made ready: delivering it twice is a replay.
type Push struct {
	URL    string
	Header http.Header
	Body   []byte
}

// Result is the seller's answer.
type Result struct {
	Code string `json:"resultCode"`
	Msg  string `json:"resultMsg"`
}

// OK reports whether the push was accepted.
func (r Result) OK() bool { return r.Code == "000000" }

// Send prepares a message and delivers it.
func (c *Client) Send(ctx context.Context, m Message) (Result, error) {
	p, err := c.Prepare(m)
	if err != nil {
		return Result{}, err
	}
	return c.Deliver(ctx, p)
}

// Prepare stamps, encodes and signs a message. A receiver takes a V2 push for
// about a minute from now.
func (c *Client) Prepare(m Message) (Push, error) {
	e := encoding{generation: c.cfg.Generation, timeStamp: m.stamped()}
	if e.timeStamp == "" {
		e.timeStamp = c.stamp()
	}
	if app, ok := m.(ApplicationSync); ok && app.ClientSecret != "" {
		if c.cfg.PublicKey == nil {
			return Push{}, errors.New("prepare applicationSync: no public key to encrypt the client secret with")
		}
		var err error
		if e.secret, err = Encrypt(c.cfg.PublicKey, app.ClientSecret, c.cfg.Digests); err != nil {
			return Push{}, fmt.Errorf("prepare applicationSync: %w", err)
		}
	}
	members := m.body(e)
	body, err := object(members).MarshalJSON()
	if err != nil {
		return Push{}, fmt.Errorf("prepare %s: %w", m.endpoint(), err)
	}
	header := http.Header{"Content-Type": {"application/json;charset=utf8"}}
	path := "/produceAPI/v2/"
	if c.cfg.Generation == V1 {
		path = "/produceAPI/"
		header.Set("authToken", AuthToken(c.cfg.Key, e.timeStamp, fields(members)))
	} else if err := c.signV2(header, body); err != nil {
		return Push{}, fmt.Errorf("prepare %s: %w", m.endpoint(), err)
	}
	return Push{URL: c.target.String() + path + m.endpoint(), Header: header, Body: body}, nil
}

func (c *Client) signV2(header http.Header, body []byte) error {
	payload := body
	if c.cfg.Form == SortedBody {
		var err error
		if payload, err = Sorted(body); err != nil {
			return err
		}
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	nonce := hex.EncodeToString(random)
	timestamp := strconv.FormatInt(c.cfg.Now().UnixMilli(), 10)
	header.Set("x-nonce", nonce)
	header.Set("x-timestamp", timestamp)
	header.Set("x-sign", Sign(c.cfg.Key, nonce, timestamp, payload))
	return nil
}

// ErrNotThere says that nothing takes messages at the address: another try does not help.
var ErrNotThere = errors.New("nothing takes messages there (status 404): the production address is the whole one to which the kit's paths are appended")

// Deliver sends a push and reads the answer. A refusal of the seller is a
// Result, not an error; an error means that there was no answer in the
// protocol's form (status 200 and a JSON object with a resultCode), that a
// V1 answer was not signed ([ErrBodySign]), or that nobody listens there
// ([ErrNotThere]).
func (c *Client) Deliver(ctx context.Context, p Push) (Result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return Result{}, fmt.Errorf("deliver push: %w", err)
	}
	req.Header = p.Header.Clone()
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return Result{}, fmt.Errorf("deliver push: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Result{}, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return Result{}, ErrNotThere
	}
	if resp.StatusCode != http.StatusOK {
		return Result{}, fmt.Errorf("answer has status %d", resp.StatusCode)
	}
	if c.cfg.Generation == V1 {
		if err := checkBodySign(c.cfg.Key, resp.Header.Get("Body-Sign"), answer); err != nil {
			return Result{}, err
		}
	}
	var result Result
	if err := json.Unmarshal(answer, &result); err != nil {
		return Result{}, fmt.Errorf("read answer: %w", err)
	}
	if result.Code == "" {
		return Result{}, errors.New("answer has no resultCode")
	}
	return result, nil
}

// stamp returns the time as body.timeStamp has it, later than every one given
// before: two statements of one peer are never equally old.
func (c *Client) stamp() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, c.cfg.Now().UnixMilli())
	return TimeStamp(time.UnixMilli(c.last))
}

// TimeStamp returns t as body.timeStamp has it: yyyyMMddHHmmssSSS in UTC+8.
func TimeStamp(t time.Time) string {
	text := t.In(time.FixedZone("UTC+8", 8*60*60)).Format("20060102150405.000")
	return strings.Replace(text, ".", "", 1)
}
