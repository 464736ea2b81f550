// Package configs holds the configuration that is built into the programs.
package configs

import "embed"

// Profiles are the built-in format profiles.
//
//go:embed profiles/*.yaml
var Profiles embed.FS
