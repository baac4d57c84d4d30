package ldapsink

import (
	"context"
	"fmt"

	"github.com/kitbridge/kitbridge/orgsync"
)

// desireNobody wants nobody and nothing of a tenant that was purged, so that what is ours of
// the round's keys is deleted. What holds it stays until the tenant's own key comes.
func (r *round) desireNobody() {
	for id, e := range r.have {
		if id.Kind == TenantEntry || id.Kind == ContainerEntry || id.Kind == RoleGroup {
			r.wants = append(r.wants, Want{ID: id, DN: e.DN, IfPresent: true})
		}
	}
}

// dismantle deletes the containers and the entry of a purged tenant, if its key is among
// those that are settled, and notes against that key what did not go.
func (s *Sink) dismantle(ctx context.Context, view orgsync.View, tenant orgsync.Tenant, settled []orgsync.Result) {
	for n := range settled {
		result := &settled[n]
		if result.Key.Kind == orgsync.TenantKey && result.Err == nil {
			r, err := s.newRound(ctx, view, tenant)
			if err == nil {
				err = r.dismantle(ctx)
			}
			if err == nil {
				err = s.forgetLeft(ctx, tenant.ID)
			}
			result.Err = err
		}
	}
}

func (r *round) dismantle(ctx context.Context) error {
	if err := r.readContainers(ctx); err != nil {
		return err
	}
	if err := r.readAllApps(ctx); err != nil {
		return err
	}
	r.plan = plan(r.standing(), nil)
	if len(r.plan.conflicts) > 0 {
		return &leftError{r.plan.conflicts[0].DN}
	}
	err := r.write(ctx, r.plan.operations, nil)
	if err := r.remember(context.WithoutCancel(ctx), err == nil); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	for id := range r.failed {
		return &leftError{r.have[id].DN}
	}
	return nil
}

// readAllApps reads the groups of applications, which are nobody's any more.
func (r *round) readAllApps(ctx context.Context) error {
	if !r.org.perApp {
		return nil
	}
	filter := "(objectClass=" + r.server.profile.groupClass() + ")"
	entries, err := r.server.search(ctx, r.org.container(apps), SingleLevel, filter, "objectClass")
	for _, e := range entries {
		e.ID = EntryID{AppGroup, e.DN.Value()}
		r.have[e.ID] = e.Entry
	}
	return err
}

// leftError is an entry that would have to go and holds others. It may be ours that hold it,
// until their own keys come, so it is tried again.
type leftError struct{ dn DN }

// Error says what to do.
func (e *leftError) Error() string {
	return fmt.Sprintf("%s: cannot be deleted yet: move away or delete what others put there", e.dn)
}

// Public is the same without the name.
func (e *leftError) Public() string {
	return "an entry of a purged tenant cannot be deleted yet: entries of others stand below it"
}
