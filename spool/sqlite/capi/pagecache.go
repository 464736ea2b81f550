package capi

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	codes "modernc.org/sqlite/lib"
)

// pendingPage is the number of the page that is never used: of the byte at 1 GiB that
// locks were once put on, with pages of 4096 bytes (https://sqlite.org/fileformat2.html, section 1.3).
const pendingPage = 0x40000000/4096 + 1

type xRekey = func(tls *libc.TLS, cache, page uintptr, from, to uint32)

var rekey xRekey

// Configure sets up SQLite once a process. Open calls it; whoever else makes SQLite
// ready for use calls it before.
//
// When SQLite puts the pages of a b-tree's branch in order it gives one of them, for
// a moment, the number of the pending page. Its page cache then remembers that as the
// highest number there is, and each commit looks through the whole cache for pages
// beyond the end of the database: in a database of less than 1 GiB, where that number
// is beyond the end, a tenth of an accept. Here the cache forgets that number again.
var Configure = sync.OnceFunc(func() {
	codes.PatchIssue199()
	tls := libc.NewTLS()
	defer tls.Close()
	methods := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(codes.Tsqlite3_pcache_methods2{})))
	if methods == 0 {
		return
	}
	defer libc.Xfree(tls, methods) // SQLite copies them
	list := libc.NewVaList(methods)
	defer libc.Xfree(tls, list)
	if codes.Xsqlite3_config(tls, codes.SQLITE_CONFIG_GETPCACHE2, list) != codes.SQLITE_OK {
		return
	}
	m := at[codes.Tsqlite3_pcache_methods2](methods)
	own := m.FxRekey
	rekey = *(*xRekey)(unsafe.Pointer(&own))
	ours := xRekey(forgetPending)
	m.FxRekey = *(*uintptr)(unsafe.Pointer(&ours))
	codes.Xsqlite3_config(tls, codes.SQLITE_CONFIG_PCACHE2, list) // refused, without harm, when SQLite is in use already
})

func forgetPending(tls *libc.TLS, cache, page uintptr, from, to uint32) {
	c := at[codes.TPCache1](cache)
	highest := c.FiMaxKey
	rekey(tls, cache, page, from, to)
	if to == pendingPage {
		c.FiMaxKey = highest
	}
}
