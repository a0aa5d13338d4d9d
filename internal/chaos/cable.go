// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// cable connects a network namespace with this one: pulling it is a partition as
// the kernel's TCP sees one.
type cable struct {
	space, near string // the namespace, and the end of the cable that is here
	host        string // this end's address
}

func newCable() (*cable, error) {
	id := os.Getpid() % 65536
	c := &cable{
		space: fmt.Sprintf("chaos-%d", os.Getpid()), near: fmt.Sprintf("chaos%d", os.Getpid()),
		host: fmt.Sprintf("10.%d.%d.1", 64+id>>8&0x3f, id&0xff),
	}
	far := fmt.Sprintf("chaof%d", os.Getpid())
	other := strings.TrimSuffix(c.host, ".1") + ".2"
	for _, command := range []string{
		"netns add " + c.space,
		"link add " + c.near + " type veth peer name " + far,
		"link set " + far + " netns " + c.space,
		"addr add " + c.host + "/24 dev " + c.near,
		"link set " + c.near + " up",
		"-n " + c.space + " addr add " + other + "/24 dev " + far,
		"-n " + c.space + " link set " + far + " up",
		"-n " + c.space + " link set lo up",
	} {
		if err := ip(command); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

func ip(command string) error {
	out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// wrap runs a command at the far end. The program replaces ip, so signals reach
// it.
func (c *cable) wrap(path string, args []string) (string, []string) {
	program, err := exec.LookPath("ip")
	if err != nil {
		program = "ip"
	}
	return program, append([]string{"netns", "exec", c.space, path}, args...)
}

func (c *cable) pull() error { return ip("link set " + c.near + " down") }

func (c *cable) plug() error { return ip("link set " + c.near + " up") }

func (c *cable) remove() {
	_ = ip("link del " + c.near)
	_ = ip("netns del " + c.space)
}
