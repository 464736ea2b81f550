// Package capi calls SQLite by its C interface, in the driver's translation.
//
// database/sql and the driver behind it take a third of the time of a short
// statement: they copy each value several times, look up each parameter by its name,
// and lock what one goroutine alone uses. Here a statement is prepared once, its
// values are copied once, and columns are read into what they are wanted for.
//
// A connection and its statements belong to one goroutine at a time.
//
// References: https://sqlite.org/c3ref/intro.html.
package capi

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"modernc.org/libc"
	codes "modernc.org/sqlite/lib"
)

// ErrNoRows is returned by Row when there is none.
var ErrNoRows = errors.New("no rows")

// An Error is what SQLite says.
type Error struct {
	Code    int // extended result code
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// at makes a pointer of an address in SQLite's memory, which is not Go's and does not move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// A Conn is one connection.
type Conn struct {
	tls *libc.TLS
	db  uintptr
	out uintptr // where SQLite leaves a pointer
}

// Configure readies the translation for use, once a process. Open calls it; whoever
// calls SQLite before that calls it first.
var Configure = sync.OnceFunc(codes.PatchIssue199)

// Open opens a database that is named by a URI, through a VFS or with "" through
// SQLite's own. It may read, write and make the file unless the URI says otherwise.
func Open(uri, vfs string) (*Conn, error) {
	Configure()
	c := &Conn{tls: libc.NewTLS()}
	if c.out = libc.Xmalloc(c.tls, libc.Tsize_t(unsafe.Sizeof(uintptr(0)))); c.out == 0 {
		c.tls.Close()
		return nil, errNoMemory
	}
	err := c.with(uri, func(name uintptr) error {
		open := func(vfs uintptr) error {
			rc := codes.Xsqlite3_open_v2(c.tls, name, c.out, codes.SQLITE_OPEN_READWRITE|codes.SQLITE_OPEN_CREATE|codes.SQLITE_OPEN_URI|codes.SQLITE_OPEN_NOMUTEX, vfs)
			c.db = *at[uintptr](c.out)
			return c.failed(rc)
		}
		if vfs == "" {
			return open(0)
		}
		return c.with(vfs, open)
	})
	if err == nil {
		err = c.failed(codes.Xsqlite3_extended_result_codes(c.tls, c.db, 1))
	}
	if err == nil {
		err = c.keepPlans()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// keepPlans makes SQLite plan a statement once, whatever values come (the query
// planner stability guarantee). Otherwise each new value of a LIMIT has it planned
// anew, which takes longer than a claim itself.
func (c *Conn) keepPlans() error {
	args := libc.NewVaList(int32(1), uintptr(0))
	if args == 0 {
		return errNoMemory
	}
	defer libc.Xfree(c.tls, args)
	return c.failed(codes.Xsqlite3_db_config(c.tls, c.db, codes.SQLITE_DBCONFIG_ENABLE_QPSG, args))
}

var errNoMemory = errors.New("sqlite: no memory")

// with calls f with a copy of a word that ends with a zero byte.
func (c *Conn) with(word string, f func(uintptr) error) error {
	p, err := libc.CString(word)
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, p)
	return f(p)
}

// failed is the error of a result code.
func (c *Conn) failed(rc int32) error {
	if rc == codes.SQLITE_OK {
		return nil
	}
	e := &Error{Code: int(rc), Message: libc.GoString(codes.Xsqlite3_errstr(c.tls, rc))}
	if c.db != 0 {
		if more := libc.GoString(codes.Xsqlite3_errmsg(c.tls, c.db)); more != e.Message {
			e.Message += ": " + more
		}
	}
	return e
}

// Close ends the connection, whose statements are closed already.
func (c *Conn) Close() error {
	var err error
	if c.db != 0 {
		err = c.failed(codes.Xsqlite3_close_v2(c.tls, c.db))
	}
	libc.Xfree(c.tls, c.out)
	c.tls.Close()
	return err
}

// Script runs statements that have no parameters and whose rows do not matter.
func (c *Conn) Script(text string) error {
	return c.with(text, func(p uintptr) error {
		return c.failed(codes.Xsqlite3_exec(c.tls, c.db, p, 0, 0, 0))
	})
}

// A Stmt is a prepared statement.
type Stmt struct {
	conn       *Conn
	handle     uintptr
	parameters int
	memory     uintptr // of words and bytes that are bound
	size       int     // of the memory
	busy       bool
}

// Prepare compiles one statement.
func (c *Conn) Prepare(text string) (*Stmt, error) {
	s := &Stmt{conn: c}
	err := c.with(text, func(p uintptr) error {
		if err := c.failed(codes.Xsqlite3_prepare_v3(c.tls, c.db, p, -1, codes.SQLITE_PREPARE_PERSISTENT, c.out, 0)); err != nil {
			return err
		}
		s.handle = *at[uintptr](c.out)
		return nil
	})
	if err == nil && s.handle == 0 {
		err = errors.New("sqlite: not a statement")
	}
	if err != nil {
		return nil, err
	}
	s.parameters = int(codes.Xsqlite3_bind_parameter_count(c.tls, s.handle))
	return s, nil
}

// Close forgets the statement.
func (s *Stmt) Close() {
	codes.Xsqlite3_finalize(s.conn.tls, s.handle)
	libc.Xfree(s.conn.tls, s.memory)
	s.memory, s.size = 0, 0
}

// Busy says that the statement is in the middle of its rows.
func (s *Stmt) Busy() bool { return s.busy }

// Each runs the statement with its parameters and calls each for every row; nil:
// the rows do not matter.
func (s *Stmt) Each(args []any, each func(*Stmt) error) (err error) {
	if s.busy {
		return errors.New("sqlite: the statement is at work")
	}
	if len(args) != s.parameters {
		return fmt.Errorf("sqlite: %d values for %d parameters", len(args), s.parameters)
	}
	if err := s.bind(args); err != nil {
		return err
	}
	s.busy = true
	defer func() {
		codes.Xsqlite3_reset(s.conn.tls, s.handle) // says again what step said
		s.busy = false
	}()
	for {
		switch rc := codes.Xsqlite3_step(s.conn.tls, s.handle); rc {
		case codes.SQLITE_DONE:
			return nil
		case codes.SQLITE_ROW:
			if each == nil {
				continue
			}
			if err := each(s); err != nil {
				return err
			}
		default:
			return s.conn.failed(rc)
		}
	}
}

// Exec runs the statement and says how many rows it has inserted, updated or deleted, if it is of such a sort.
func (s *Stmt) Exec(args []any) (int64, error) {
	if err := s.Each(args, nil); err != nil {
		return 0, err
	}
	return int64(codes.Xsqlite3_changes(s.conn.tls, s.conn.db)), nil
}

var errEnough = errors.New("one row is enough")

// Row reads the first row: ErrNoRows if there is none.
func (s *Stmt) Row(args []any, scan func(*Stmt) error) error {
	err := s.Each(args, func(s *Stmt) error {
		if err := scan(s); err != nil {
			return err
		}
		return errEnough
	})
	switch err {
	case nil:
		return ErrNoRows
	case errEnough:
		return nil
	}
	return err
}

// bind sets the parameters: words, bytes, numbers and nil. Words and bytes are copied
// into the statement's memory, where they stay until it runs again.
func (s *Stmt) bind(args []any) error {
	need := 1
	for _, a := range args {
		switch x := a.(type) {
		case string:
			need += len(x)
		case []byte:
			need += len(x)
		}
	}
	tls := s.conn.tls
	if need > s.size {
		libc.Xfree(tls, s.memory)
		s.size = 0
		if s.memory = libc.Xmalloc(tls, libc.Tsize_t(2*need)); s.memory == 0 {
			return errNoMemory
		}
		s.size = 2 * need
	}
	memory, used := unsafe.Slice(at[byte](s.memory), s.size), 0
	for i, a := range args {
		n, rc := int32(i+1), int32(codes.SQLITE_OK)
		from := s.memory + uintptr(used)
		switch x := a.(type) {
		case nil:
			rc = codes.Xsqlite3_bind_null(tls, s.handle, n)
		case int64:
			rc = codes.Xsqlite3_bind_int64(tls, s.handle, n, x)
		case int:
			rc = codes.Xsqlite3_bind_int64(tls, s.handle, n, int64(x))
		case string:
			used += copy(memory[used:], x)
			rc = codes.Xsqlite3_bind_text(tls, s.handle, n, from, int32(len(x)), codes.SQLITE_STATIC)
		case []byte:
			if x == nil {
				rc = codes.Xsqlite3_bind_null(tls, s.handle, n)
				break
			}
			used += copy(memory[used:], x)
			rc = codes.Xsqlite3_bind_blob(tls, s.handle, n, from, int32(len(x)), codes.SQLITE_STATIC)
		default:
			return fmt.Errorf("sqlite: parameter %d has type %T", n, a)
		}
		if err := s.conn.failed(rc); err != nil {
			return err
		}
	}
	return nil
}

// Scan reads the columns of the row at hand: into a string, []byte (nil for none and
// for empty), int, int64, bool, *int64 (nil for none), any, or a type that is a string.
func (s *Stmt) Scan(into ...any) error {
	for i, v := range into {
		n := int32(i)
		sort := codes.Xsqlite3_column_type(s.conn.tls, s.handle, n)
		switch x := v.(type) {
		case *[]byte:
			*x = s.bytes(n)
			continue
		case **int64:
			*x = nil
			if sort != codes.SQLITE_NULL {
				*x = new(s.number(n))
			}
			continue
		case *any:
			switch sort {
			case codes.SQLITE_NULL:
				*x = nil
			case codes.SQLITE_INTEGER:
				*x = s.number(n)
			case codes.SQLITE_TEXT:
				*x = s.word(n)
			case codes.SQLITE_BLOB:
				*x = s.bytes(n)
			default:
				return fmt.Errorf("sqlite: column %d is of sort %d", n, sort)
			}
			continue
		}
		if sort == codes.SQLITE_NULL {
			return fmt.Errorf("sqlite: column %d is NULL, which %T cannot hold", n, v)
		}
		switch x := v.(type) {
		case *string:
			*x = s.word(n)
		case *int64:
			*x = s.number(n)
		case *int:
			*x = int(s.number(n))
		case *bool:
			*x = s.number(n) != 0
		default:
			to := reflect.ValueOf(v)
			if to.Kind() != reflect.Pointer || to.Elem().Kind() != reflect.String {
				return fmt.Errorf("sqlite: column %d cannot be read into %T", n, v)
			}
			to.Elem().SetString(s.word(n))
		}
	}
	return nil
}

func (s *Stmt) number(n int32) int64 { return codes.Xsqlite3_column_int64(s.conn.tls, s.handle, n) }

func (s *Stmt) word(n int32) string {
	p := codes.Xsqlite3_column_text(s.conn.tls, s.handle, n)
	return string(s.lent(p, n))
}

func (s *Stmt) bytes(n int32) []byte {
	p := codes.Xsqlite3_column_blob(s.conn.tls, s.handle, n)
	if b := s.lent(p, n); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}

// lent are the bytes of a column, which are SQLite's until the next step.
func (s *Stmt) lent(p uintptr, n int32) []byte {
	size := codes.Xsqlite3_column_bytes(s.conn.tls, s.handle, n)
	if p == 0 || size == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](p), size)
}
