package orgsync

import "time"

// Register is a text with the version of the statement that set it.
type Register struct {
	Value   string
	Version Version
}

// set keeps the newer of two statements.
func (r *Register) set(value string, v Version) bool {
	if v <= r.Version {
		return false
	}
	*r = Register{Value: value, Version: v}
	return true
}

// Instance holds the registers of one bought subscription of a tenant, fed by
// tenantSync and by the full lists of allOrgSync.
type Instance struct {
	ID      InstanceID
	OrderID string

	// Bound, Modified and Ended are the newest tenantSync with flag 1, 2 and 0.
	// Ended is a floor: whatever is older was as if never said.
	Bound, Modified, Ended Version
	// Listed is the newest full list of departments; what this instance asserted
	// before it is gone.
	Listed Version
	// Purged is the newest of what was purged: whatever is not newer is void.
	Purged Version

	Code, Name, Domain Register

	// Mark is the newest end of the instance; it revokes sessions.
	Mark Moment
}

// IsBound says whether the instance gives its tenant access. A modification counts as
// binding only while nothing else is known.
func (i Instance) IsBound() bool {
	if i.Bound == "" && i.Ended == "" {
		return i.Modified != ""
	}
	return i.Bound > i.Ended
}

// isAnnounced says whether somebody ever said that the instance is there. That cannot be
// taken back: a modification binds while nothing else is known, so the sinks may hold the
// tenant already when the older end arrives that it should have followed, and then they
// must take the access away.
func (i Instance) isAnnounced() bool { return i.Bound != "" || i.Modified != "" }

// apply takes a tenantSync in and reports whether it was news.
func (i *Instance) apply(e Enterprise, flag Flag, v Version) bool {
	news := false
	switch flag {
	case FlagRemove:
		news = raise(&i.Ended, v)
		raiseMark(&i.Mark, v)
	case FlagAdd:
		news = raise(&i.Bound, v)
	default:
		news = raise(&i.Modified, v)
	}
	if flag == FlagRemove {
		return news
	}
	if e.OrderID != "" && news {
		i.OrderID = e.OrderID
	}
	for _, f := range []struct {
		register *Register
		value    *string
	}{{&i.Code, e.Code}, {&i.Name, e.Name}, {&i.Domain, e.Domain}} {
		if f.value != nil && f.register.set(dropControls(*f.value), v) {
			news = true
		}
	}
	return news && v > i.Ended
}

func raise(have *Version, v Version) bool {
	if v <= *have {
		return false
	}
	*have = v
	return true
}

func raiseMark(have *Moment, v Version) {
	if m := v.Moment(); m > *have {
		*have = m
	}
}

// Tenant is a buyer enterprise as it stands now.
type Tenant struct {
	ID                 TenantID
	Code, Name, Domain string
	// Active: at least one instance is bound.
	Active bool
	// Announced: a tenantSync that is no end came for at least one instance. No sink
	// holds anything of a tenant before that, and nothing takes it back.
	Announced bool
	// Purged: what was said about it is forgotten, and the sinks are to hold nothing of it.
	Purged bool
	// RemovedAt is when the last instance ended; zero while the tenant is active.
	RemovedAt time.Time
}

// ProjectTenant derives the tenant from its instances: each attribute is the newest
// among the bound instances; of a tenant without any, the newest ever said.
func ProjectTenant(id TenantID, instances []Instance) Tenant {
	t := Tenant{ID: id}
	var ended Version
	for _, i := range instances {
		t.Active = t.Active || i.IsBound()
		t.Announced = t.Announced || i.isAnnounced()
		ended = max(ended, i.Ended)
	}
	if !t.Active {
		t.RemovedAt = ended.Time()
		t.Purged = arePurged(instances)
	}
	var code, name, domain Register
	for _, i := range instances {
		if t.Active && !i.IsBound() {
			continue
		}
		newest(&code, i.Code)
		newest(&name, i.Name)
		newest(&domain, i.Domain)
	}
	t.Code, t.Name, t.Domain = code.Value, name.Value, domain.Value
	return t
}

// arePurged says whether some of the instances were purged and the others never bound.
func arePurged(instances []Instance) bool {
	purged := false
	for _, i := range instances {
		if i.isAnnounced() && !i.isPurged() {
			return false
		}
		purged = purged || i.Purged != ""
	}
	return purged
}

func newest(have *Register, r Register) {
	if r.Version > have.Version {
		*have = r
	}
}

// Credential is the register of one application credential: the OAuth client of a
// tenant's auth centre for one application.
type Credential struct {
	Instance InstanceID
	App      AppID
	Version  Version // newest applicationSync
	Unbound  bool    // the newest one had flag 0
	ClientID string
	// ClientSecret is sealed at rest by the store and never logged.
	ClientSecret Secret
	// Mark is the newest unbinding; it revokes sessions.
	Mark Moment
}

// apply takes an applicationSync in and reports whether it was news.
func (c *Credential) apply(client Client, flag Flag, v Version) bool {
	if flag == FlagRemove {
		raiseMark(&c.Mark, v)
	}
	if !raise(&c.Version, v) {
		return false
	}
	c.Unbound = flag == FlagRemove
	if !c.Unbound {
		c.ClientID, c.ClientSecret = client.ID, client.Secret
	}
	return true
}

// IsLive says whether people can sign in with the credential: it is bound, its
// instance is bound, and it is newer than the instance's last end.
func (c Credential) IsLive(i Instance) bool {
	return c.Version != "" && !c.Unbound && i.IsBound() && c.Version > i.Ended
}
