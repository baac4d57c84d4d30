package peers

// FindProgram is the look-up behind every server.
func FindProgram(name, debianPackage string) (string, error) {
	return findProgram(name, debianPackage)
}
