package market

import (
	"context"
	"fmt"
)

// RefusedError says that the seller answered a push with something other than
// success.
type RefusedError struct {
	// Push is the kind, such as "tenantSync".
	Push   string
	Result Result
}

// Error names the push, the code and the seller's text.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s refused: %s %s", e.Push, e.Result.Code, e.Result.Msg)
}

// Bind plays the binding of a buyer, message by message ([Buyer.Binding]). It
// stops at the first that is not accepted, with a [*RefusedError] if the
// seller refused it. It may be repeated, as the marketplace does it.
func (c *Client) Bind(ctx context.Context, b *Buyer) error {
	for _, m := range b.Binding() {
		result, err := c.Send(ctx, m)
		if err != nil {
			return fmt.Errorf("send %s: %w", m.endpoint(), err)
		}
		if !result.OK() {
			return &RefusedError{Push: m.endpoint(), Result: result}
		}
	}
	return nil
}
