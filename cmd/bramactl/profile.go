package main

import (
	"strings"

	"github.com/brama-gateway/brama/formats/profile"
)

// profileExplain says in words what a layout wants; without a name it lists them.
func profileExplain(c *call, args []string) error {
	rest, err := c.parse(c.flags(), args, 0, 1)
	if err != nil {
		return err
	}
	set := profile.Builtin()
	if len(rest) == 0 {
		if c.json {
			return c.writeJSON(set.Names())
		}
		c.printf("%s\n", strings.Join(set.Names(), "\n"))
		return nil
	}
	text, err := set.Explain(rest[0])
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(text)
	}
	c.printf("%s\n", strings.TrimRight(text.In(c.lang), "\n"))
	return nil
}
