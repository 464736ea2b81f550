package sqlite

import (
	"os"
	"syscall"

	"github.com/brama-gateway/brama/spool/sqlite/walfile"
)

const (
	// checkpointPages is how long the WAL grows before its pages go home. It is
	// then written again from its beginning, which needs no new space.
	checkpointPages = 16_000
	// patience is how many times as long the WAL may be before the writer waits for
	// a checkpoint that is under way.
	patience = 4
)

// checkpoint sees to it that the pages of a long WAL go home. Most of that is done
// beside the writer (carry), which goes on adding to the WAL; what came meanwhile
// it brings home itself: only then everything is, and the WAL is written again from
// its beginning. It says whether the engine goes on.
func (s *Store) checkpoint() bool {
	end := s.wal.End()
	if end < s.walBase {
		s.walBase = 0 // it was begun anew
	}
	long := int64(s.opt.walPages) * walfile.Frame
	if !s.carrying.Load() {
		if end-s.walBase >= long {
			s.carrying.Store(true)
			s.check <- struct{}{}
		}
		return true
	}
	if end-s.walBase >= patience*long {
		<-s.checked
	} else {
		select {
		case <-s.checked:
		default:
			return true
		}
	}
	s.walBase = end // where a reader holds it up, it goes on growing from here
	// The WAL must be on the disk before its pages go home, and this very connection flushes it.
	s.wal.Defer(false)
	_, err := s.write.bringHome()
	s.wal.Defer(true)
	s.carrying.Store(false)
	return s.broughtHome(err)
}

// broughtHome stops the engine for an error of a checkpoint. A full disk is none:
// the pages are in the WAL and will go home later.
func (s *Store) broughtHome(err error) bool {
	if err != nil && !noSpace(err) {
		s.fail("checkpoint", err)
		return false
	}
	return true
}

// bringHome copies the pages of the WAL into the database, as far as no reader
// needs the old ones, and says how many the WAL had.
func (s *session) bringHome() (pages int64, err error) {
	var busy, done int
	err = s.row(`PRAGMA wal_checkpoint(PASSIVE)`, nil, &busy, &pages, &done)
	return pages, err
}

// carry brings pages home on a connection of its own, until few have been added
// meanwhile, and flushes the database, so that the writer finds little to flush.
func (s *Store) carry(c *session, database *os.File) {
	for range s.check {
		err := s.opt.Faults.at(Checkpoint)
		for left := int64(-1); err == nil; {
			var pages int64
			if pages, err = c.bringHome(); err != nil {
				break
			}
			more := s.wal.End()/walfile.Frame - pages
			if more <= int64(s.opt.walPages)/32 || left >= 0 && more > left/2 {
				break
			}
			left = more
		}
		if err == nil {
			err = syscall.Fdatasync(int(database.Fd()))
		}
		s.broughtHome(err)
		s.checked <- struct{}{}
	}
}
