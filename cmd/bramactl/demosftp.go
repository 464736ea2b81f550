package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sftpClient is the demo client's side of SFTP.
type sftpClient interface {
	put(local, remote string) error
	// get brings the files that the patterns name into a folder; each must be there.
	get(into string, patterns ...string) error
}

// openSSH is the client that every machine knows.
type openSSH struct {
	context.Context
	flags []string
}

func (o openSSH) put(local, remote string) error {
	return o.run("put " + quote(local) + " " + quote(remote))
}

func (o openSSH) get(into string, patterns ...string) error {
	var commands []string
	for _, p := range patterns {
		commands = append(commands, "get "+p+" "+quote(into)+"/")
	}
	return o.run(commands...)
}

func (o openSSH) run(commands ...string) error {
	ctx, cancel := context.WithTimeout(o, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sftp", append([]string{"-q", "-b", "-"}, o.flags...)...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("sftp: %s: %w", strings.TrimSpace(said.String()), err)
	}
	return nil
}

// quote writes a path for sftp's batch language.
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// builtIn stands in where OpenSSH is not installed.
type builtIn struct {
	context.Context
	address string
	key     string // file of the client's private key
	host    []byte // the server's public key, as in the .pub file
}

func (b builtIn) session(do func(*sftp.Client) error) error {
	pem, err := os.ReadFile(b.key)
	if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return err
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(b.host)
	if err != nil {
		return err
	}
	conn, err := ssh.Dial("tcp", b.address, &ssh.ClientConfig{
		User: "demo", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host),
		HostKeyAlgorithms: []string{host.Type()}, Timeout: patience,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	client, err := sftp.NewClient(conn)
	if err != nil {
		return err
	}
	return errors.Join(do(client), client.Close())
}

func (b builtIn) put(local, remote string) error {
	content, err := os.ReadFile(local)
	if err != nil {
		return err
	}
	return b.session(func(c *sftp.Client) error {
		f, err := c.OpenFile(remote, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	})
}

func (b builtIn) get(into string, patterns ...string) error {
	return b.session(func(c *sftp.Client) error {
		for _, p := range patterns {
			found, err := c.Glob(p)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("%s: %w", p, os.ErrNotExist)
			}
			for _, remote := range found {
				if err := fetch(c, remote, filepath.Join(into, path.Base(remote))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func fetch(c *sftp.Client, remote, local string) error {
	from, err := c.Open(remote)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(local)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
