package gost28147

import (
	"bytes"
	"encoding/hex"
	"errors"
)

// SBoxSize is the length of a packed substitution block (DKE), in octets.
const SBoxSize = 64

// ErrSBox: 64 octets that are no substitution block.
var ErrSBox = errors.New("GOST 28147 substitution block is not eight permutations of 16 values")

// SBox is a substitution block ("довгостроковий ключовий елемент", DKE), with the
// tables made of it. It does not change after it is made and may be shared.
type SBox struct {
	packed [SBoxSize]byte
	// t[i][b] is what octet i of the sum, having the value b, adds to the round's
	// result, rotated by 11 bits already: four look-ups make a round.
	t [4][256]uint32
}

// The substitution blocks that Ukrainian certificates were found with.
var (
	// DKE1 is DKE No 1; the default
	// wherever a key or container names none.
	DKE1 = constant("a9d6eb45f13c708280c4967b231f5eadf658eba4c037291d38d96bf025ca4e17" +
		"f8e9720dc615b43a28975f0bc1dea36438b564ea2c179fd0123e6db8fac57904")
	// TestParamSet is id-GostR3411-94-TestParamSet (RFC 4357, 11.2), used by
	// several authorities from 2005 to 2012.
	TestParamSet = constant("4a92d80e6b1c7f53eb4c6dfa23810759581da342efc7609b7da1089fe46cb253" +
		"6c715fd84a9e03b24ba0721d36859cfedb413f590ae7682c1fd057a4923e6b8c")
	// CZO2005 is the block of the first key of the central certification authority.
	CZO2005 = constant("8bc217ed36594af01f74e23dcb9a6058fed7852014abc3694b08a7359d621ecf" +
		"e87fd35ab4192c607aec14d283b0f569b09641ae8f5dc327c7129a6ef48d350b")
)

func constant(s string) *SBox {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	box, err := unpack(b)
	if err != nil {
		panic(err)
	}
	return box
}

// NewSBox takes a packed block as keys carry it: eight rows of eight octets, the
// high nibble first, row 0 for bits 0 to 3 of the word. Every row must be a
// permutation; otherwise it gives ErrSBox. Of the blocks named above it gives those
// themselves, without work.
func NewSBox(packed []byte) (*SBox, error) {
	for _, s := range []*SBox{DKE1, TestParamSet, CZO2005} {
		if bytes.Equal(packed, s.packed[:]) {
			return s, nil
		}
	}
	return unpack(packed)
}

func unpack(packed []byte) (*SBox, error) {
	if len(packed) != SBoxSize {
		return nil, ErrSBox
	}
	var rows [8][16]byte
	for i, b := range packed {
		rows[i/8][i%8*2] = b >> 4
		rows[i/8][i%8*2+1] = b & 15
	}
	return FromRows(&rows)
}

// FromRows takes an unpacked block: rows[i][v] replaces the value v in bits 4i to
// 4i+3. It gives ErrSBox unless every row is a permutation.
func FromRows(rows *[8][16]byte) (*SBox, error) {
	s := new(SBox)
	for i := range rows {
		seen := uint32(0)
		for j, v := range rows[i] {
			if v > 15 {
				return nil, ErrSBox
			}
			seen |= 1 << v
			s.packed[8*i+j/2] |= v << (4 * (1 - j%2))
		}
		if seen != 0xffff {
			return nil, ErrSBox
		}
	}
	for i := range s.t {
		for b := range s.t[i] {
			w := uint32(rows[2*i][b&15]) | uint32(rows[2*i+1][b>>4])<<4
			w <<= 8 * i
			s.t[i][b] = w<<11 | w>>21
		}
	}
	return s, nil
}

// Packed gives the block as keys carry it.
func (s *SBox) Packed() [SBoxSize]byte { return s.packed }

// Rows gives the block unpacked; see FromRows.
func (s *SBox) Rows() [8][16]byte {
	var rows [8][16]byte
	for i, b := range s.packed {
		rows[i/8][i%8*2] = b >> 4
		rows[i/8][i%8*2+1] = b & 15
	}
	return rows
}

// Equal tells whether two blocks substitute alike.
func (s *SBox) Equal(o *SBox) bool { return s.packed == o.packed }
