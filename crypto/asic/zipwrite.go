package asic

import (
	"bytes"
	"compress/flate"
	"hash/crc32"
)

// zipWriter writes an archive whose headers say all sizes beforehand: no data
// descriptors, no extra fields, one time for all entries.
type zipWriter struct {
	body, directory bytes.Buffer
	count           int
	date, clock     uint16
}

// add writes an entry, compressed if that makes it smaller.
func (w *zipWriter) add(name string, content []byte) {
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	// Compressed too well it would be taken for a bomb.
	if err != nil || packed.Len() >= len(content) || len(content) > ratioFrom && len(content) > MaxRatio*packed.Len() {
		w.store(name, content)
		return
	}
	w.entry(name, content, packed.Bytes(), deflated)
}

// store writes an entry as it is.
func (w *zipWriter) store(name string, content []byte) { w.entry(name, content, content, stored) }

func (w *zipWriter) entry(name string, content, packed []byte, method uint16) {
	const version = 20
	var flags uint16
	if !isASCII(name) {
		flags = flagUTF8
	}
	offset := uint32(w.body.Len())
	var common []byte // what both headers have, from version to the length of the extra field
	common = le.AppendUint16(common, version)
	common = le.AppendUint16(common, flags)
	common = le.AppendUint16(common, method)
	common = le.AppendUint16(common, w.clock)
	common = le.AppendUint16(common, w.date)
	common = le.AppendUint32(common, crc32.ChecksumIEEE(content))
	common = le.AppendUint32(common, uint32(len(packed)))
	common = le.AppendUint32(common, uint32(len(content)))
	common = le.AppendUint16(common, uint16(len(name)))
	common = le.AppendUint16(common, 0)

	w.body.Write(le.AppendUint32(nil, localSignature))
	w.body.Write(common)
	w.body.WriteString(name)
	w.body.Write(packed)

	central := le.AppendUint32(nil, centralSignature)
	// Made by UNIX: unzip takes the names of others for those of an old code page.
	central = le.AppendUint16(central, madeByUnix<<8|version)
	central = append(central, common...)
	central = append(central, make([]byte, 2+2+2)...) // comment, part, attributes of the content
	central = le.AppendUint32(central, (unixRegular|0o644)<<16)
	central = le.AppendUint32(central, offset)
	w.directory.Write(central)
	w.directory.WriteString(name)
	w.count++
}

// end writes the central directory and the end record.
func (w *zipWriter) end() []byte {
	start := w.body.Len()
	w.body.Write(w.directory.Bytes())
	end := le.AppendUint32(nil, endSignature)
	end = le.AppendUint32(end, 0)
	end = le.AppendUint16(end, uint16(w.count))
	end = le.AppendUint16(end, uint16(w.count))
	end = le.AppendUint32(end, uint32(w.directory.Len()))
	end = le.AppendUint32(end, uint32(start))
	end = le.AppendUint16(end, 0)
	w.body.Write(end)
	return w.body.Bytes()
}
