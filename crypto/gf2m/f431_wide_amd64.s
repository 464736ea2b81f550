//go:build !purego

#include "textflag.h"

// The routines of f431_amd64.s with two multiplications at once, in the two lanes
// of 256-bit registers: see f257_wide_amd64.s. The first 128 bytes of every frame
// belong to MULW, the next 128 hold the pair of first operands, and 128 more the
// second ones, four registers each.

DATA folds<>+0(SB)/8, $0x560000
DATA folds<>+8(SB)/8, $0x2b
DATA folds<>+16(SB)/8, $0x560000
DATA folds<>+24(SB)/8, $0x2b
GLOBL folds<>(SB), RODATA|NOPTR, $32

DATA lows47<>+0(SB)/8, $0x7fffffffffff
DATA lows47<>+8(SB)/8, $0
DATA lows47<>+16(SB)/8, $0x7fffffffffff
DATA lows47<>+24(SB)/8, $0
GLOBL lows47<>(SB), RODATA|NOPTR, $32

// LOAD loads a pair.
#define LOAD(o1, p1, o2, p2, R0, R1, R2, R3, H0, H1, H2, H3) \
	VMOVDQU     o1+0(p1), H0;          \
	VMOVDQU     o1+16(p1), H1;         \
	VMOVDQU     o1+32(p1), H2;         \
	VMOVQ       o1+48(p1), H3;         \
	VMOVQ       o2+48(p2), X4;         \
	VINSERTI128 $1, o2+0(p2), R0, R0;  \
	VINSERTI128 $1, o2+16(p2), R1, R1; \
	VINSERTI128 $1, o2+32(p2), R2, R2; \
	VINSERTI128 $1, X4, R3, R3

#define LOADA(o1, p1, o2, p2) \
	LOAD(o1, p1, o2, p2, Y0, Y1, Y12, Y13, X0, X1, X12, X13); \
	VMOVDQU Y0, 128(SP);   \
	VMOVDQU Y1, 160(SP);   \
	VMOVDQU Y12, 192(SP);  \
	VMOVDQU Y13, 224(SP);  \
	VPXOR   Y12, Y0, Y0;   \
	VPXOR   Y13, Y1, Y1

#define LOADB(o1, p1, o2, p2) \
	LOAD(o1, p1, o2, p2, Y2, Y3, Y14, Y15, X2, X3, X14, X15); \
	VMOVDQU Y2, 256(SP);   \
	VMOVDQU Y3, 288(SP);   \
	VMOVDQU Y14, 320(SP);  \
	VMOVDQU Y15, 352(SP);  \
	VPXOR   Y14, Y2, Y2;   \
	VPXOR   Y15, Y3, Y3

// SHARE loads one operand for both, as LOADB.
#define SHARE(o, p) \
	VBROADCASTI128 o+0(p), Y2;      \
	VBROADCASTI128 o+16(p), Y3;     \
	VBROADCASTI128 o+32(p), Y14;    \
	VPBROADCASTQ   o+48(p), Y15;    \
	VPAND          lows47<>(SB), Y15, Y15; \
	VMOVDQU        Y2, 256(SP);     \
	VMOVDQU        Y3, 288(SP);     \
	VMOVDQU        Y14, 320(SP);    \
	VMOVDQU        Y15, 352(SP);    \
	VPXOR          Y14, Y2, Y2;     \
	VPXOR          Y15, Y3, Y3

// MUL256: Y4, Y12, Y13, Y1 = Y0:Y1 · Y2:Y3. Uses Y5 to Y11 and Y14.
#define MUL256 \
	VPCLMULQDQ $0x00, Y0, Y2, Y4;  \
	VPCLMULQDQ $0x11, Y0, Y2, Y5;  \
	VPCLMULQDQ $0x01, Y0, Y2, Y6;  \
	VPCLMULQDQ $0x10, Y0, Y2, Y7;  \
	VPXOR      Y0, Y1, Y0;         \
	VPXOR      Y2, Y3, Y2;         \
	VPXOR      Y6, Y7, Y6;         \
	VPCLMULQDQ $0x00, Y1, Y3, Y7;  \
	VPCLMULQDQ $0x01, Y1, Y3, Y9;  \
	VPCLMULQDQ $0x10, Y1, Y3, Y11; \
	VPCLMULQDQ $0x11, Y1, Y3, Y1;  \
	VPXOR      Y9, Y11, Y9;        \
	VPXOR      Y5, Y7, Y5;         \
	VPCLMULQDQ $0x00, Y0, Y2, Y12; \
	VPCLMULQDQ $0x01, Y0, Y2, Y14; \
	VPCLMULQDQ $0x10, Y0, Y2, Y11; \
	VPCLMULQDQ $0x11, Y0, Y2, Y13; \
	VPXOR      Y11, Y14, Y14;      \
	VPTERNLOGQ $0x96, Y6, Y9, Y14; \
	VPTERNLOGQ $0x96, Y4, Y5, Y12; \
	VPTERNLOGQ $0x96, Y1, Y5, Y13; \
	VPSLLDQ    $8, Y6, Y7;         \
	VPXOR      Y7, Y4, Y4;         \
	VPALIGNR   $8, Y6, Y14, Y7;    \
	VPXOR      Y7, Y12, Y12;       \
	VPALIGNR   $8, Y14, Y9, Y7;    \
	VPXOR      Y7, Y13, Y13;       \
	VPSRLDQ    $8, Y9, Y7;         \
	VPXOR      Y7, Y1, Y1

// MULW: Y4, Y12, Y14, Y15, Y13, Y11, Y10 = the products of the operands loaded,
// not reduced.
#define MULW \
	MUL256;                        \
	VMOVDQU    Y4, 0(SP);          \
	VMOVDQU    Y12, 32(SP);        \
	VMOVDQU    Y13, 64(SP);        \
	VMOVDQU    Y1, 96(SP);         \
	VMOVDQU    128(SP), Y0;        \
	VMOVDQU    160(SP), Y1;        \
	VMOVDQU    256(SP), Y2;        \
	VMOVDQU    288(SP), Y3;        \
	MUL256;                        \
	VPXOR      0(SP), Y13, Y14;    \
	VPXOR      Y4, Y14, Y14;       \
	VPXOR      32(SP), Y1, Y15;    \
	VPXOR      Y12, Y15, Y15;      \
	VPXOR      64(SP), Y13, Y13;   \
	VPXOR      96(SP), Y1, Y11;    \
	VMOVDQU    192(SP), Y0;        \
	VMOVDQU    224(SP), Y1;        \
	VMOVDQU    320(SP), Y2;        \
	VMOVDQU    352(SP), Y3;        \
	VPCLMULQDQ $0x00, Y0, Y2, Y5;  \
	VPCLMULQDQ $0x11, Y0, Y2, Y6;  \
	VPCLMULQDQ $0x01, Y0, Y2, Y7;  \
	VPCLMULQDQ $0x10, Y0, Y2, Y8;  \
	VPXOR      Y8, Y7, Y7;         \
	VPCLMULQDQ $0x00, Y0, Y3, Y8;  \
	VPCLMULQDQ $0x00, Y1, Y2, Y9;  \
	VPTERNLOGQ $0x96, Y9, Y8, Y6;  \
	VPCLMULQDQ $0x10, Y0, Y3, Y9;  \
	VPCLMULQDQ $0x10, Y2, Y1, Y10; \
	VPXOR      Y10, Y9, Y9;        \
	VPCLMULQDQ $0x00, Y1, Y3, Y10; \
	VPSLLDQ    $8, Y7, Y0;         \
	VPXOR      Y0, Y5, Y5;         \
	VPALIGNR   $8, Y7, Y9, Y0;     \
	VPXOR      Y0, Y6, Y6;         \
	VPSRLDQ    $8, Y9, Y0;         \
	VPXOR      Y0, Y10, Y10;       \
	VPXOR      Y5, Y14, Y14;       \
	VPXOR      Y6, Y15, Y15;       \
	VPTERNLOGQ $0x96, Y5, Y10, Y13; \
	VPXOR      Y6, Y11, Y11

// SQRW: the same registers = the squares of a pair.
#define SQRW(o1, p1, o2, p2) \
	LOAD(o1, p1, o2, p2, Y0, Y1, Y2, Y3, X0, X1, X2, X3); \
	VPCLMULQDQ $0x00, Y0, Y0, Y4;  \
	VPCLMULQDQ $0x11, Y0, Y0, Y12; \
	VPCLMULQDQ $0x00, Y1, Y1, Y14; \
	VPCLMULQDQ $0x11, Y1, Y1, Y15; \
	VPCLMULQDQ $0x00, Y2, Y2, Y13; \
	VPCLMULQDQ $0x11, Y2, Y2, Y11; \
	VPCLMULQDQ $0x00, Y3, Y3, Y10

// REDUCE: Y4, Y12, Y14, Y15 = the same registers reduced.
#define REDUCE \
	VMOVDQU    folds<>(SB), Y0;       \
	VPCLMULQDQ $0x01, Y0, Y15, Y1;    \
	VPCLMULQDQ $0x01, Y0, Y10, Y5;    \
	VPCLMULQDQ $0x00, Y0, Y10, Y8;    \
	VPCLMULQDQ $0x01, Y0, Y13, Y2;    \
	VPCLMULQDQ $0x00, Y0, Y13, Y6;    \
	VPCLMULQDQ $0x01, Y0, Y11, Y3;    \
	VPCLMULQDQ $0x00, Y0, Y11, Y7;    \
	VPSRLDQ    $8, Y8, Y9;            \
	VPTERNLOGQ $0x96, Y5, Y9, Y15;    \
	VPSRLQ     $47, Y15, Y9;          \
	VPCLMULQDQ $0x10, Y0, Y9, Y9;     \
	VPSLLDQ    $8, Y6, Y5;            \
	VPTERNLOGQ $0x96, Y1, Y5, Y4;     \
	VPALIGNR   $8, Y6, Y7, Y1;        \
	VPTERNLOGQ $0x96, Y1, Y2, Y12;    \
	VPALIGNR   $8, Y7, Y8, Y5;        \
	VPTERNLOGQ $0x96, Y3, Y5, Y14;    \
	VPAND      lows47<>(SB), Y15, Y15; \
	VPXOR      Y9, Y4, Y4

#define STORE(off, p) \
	VMOVDQU X4, off+0(p);   \
	VMOVDQU X12, off+16(p); \
	VMOVDQU X14, off+32(p); \
	VMOVQ   X15, off+48(p)

// HIGH moves the second result to X4, X12, X14, X15; STOREHIGH stores it and
// leaves the first one there.
#define HIGH \
	VEXTRACTI128 $1, Y4, X4;   \
	VEXTRACTI128 $1, Y12, X12; \
	VEXTRACTI128 $1, Y14, X14; \
	VEXTRACTI128 $1, Y15, X15

#define STOREHIGH(off, p) \
	VEXTRACTI128 $1, Y4, off+0(p);   \
	VEXTRACTI128 $1, Y12, off+16(p); \
	VEXTRACTI128 $1, Y14, off+32(p); \
	VEXTRACTI128 $1, Y15, X0;        \
	VMOVQ        X0, off+48(p)

#define ADD(off, p) \
	VPXOR off+0(p), X4, X4;    \
	VPXOR off+16(p), X12, X12; \
	VPXOR off+32(p), X14, X14; \
	VMOVQ off+48(p), X0;       \
	VPXOR X0, X15, X15

#define GET(off, p) \
	VMOVDQU off+0(p), X4;   \
	VMOVDQU off+16(p), X12; \
	VMOVDQU off+32(p), X14; \
	VMOVQ   off+48(p), X15

// func double431wide(p *Point[E7])
// Lambda coordinates, a = 1: see doubleGeneric.
TEXT ·double431wide(SB), NOSPLIT, $640-8
	MOVQ p+0(FP), DI
	LOADA(56, DI, 0, DI)
	SHARE(112, DI)
	MULW
	REDUCE                     // LZ, XZ
	STOREHIGH(448, SP)
	STORE(384, SP)
	SQRW(56, DI, 112, DI)
	REDUCE                     // L², Z²
	STOREHIGH(576, SP)
	ADD(384, SP)
	ADD(576, SP)
	STORE(512, SP)             // T = L² + LZ + Z²
	SQRW(512, SP, 448, SP)
	REDUCE                     // X' = T², (XZ)²
	STOREHIGH(448, SP)
	STORE(0, DI)
	ADD(448, SP)
	STORE(448, SP)             // X' + (XZ)²
	LOADA(576, SP, 384, SP)
	SHARE(512, SP)
	MULW
	REDUCE                     // Z' = TZ², T·LZ
	STORE(112, DI)
	HIGH
	ADD(448, SP)
	ADD(112, DI)
	STORE(56, DI)              // L' = T·LZ + X' + (XZ)² + Z'
	VZEROUPPER
	RET

// func addMixed431wide(p *Point[E7], q *Affine[E7]) bool
TEXT ·addMixed431wide(SB), NOSPLIT, $704-17
	MOVQ p+0(FP), DI
	MOVQ q+8(FP), SI
	MOVQ 112(DI), AX
	ORQ  120(DI), AX
	ORQ  128(DI), AX
	ORQ  136(DI), AX
	ORQ  144(DI), AX
	ORQ  152(DI), AX
	ORQ  160(DI), AX
	JZ   exception
	LOADA(0, SI, 56, SI)
	SHARE(112, DI)
	MULW
	REDUCE                     // U = x₂Z, λ₂Z
	STOREHIGH(512, SP)
	STORE(384, SP)
	ADD(0, DI)                 // X + U
	VPOR   X4, X12, X0
	VPOR   X14, X15, X1
	VPOR   X1, X0, X0
	VPTEST X0, X0
	JZ     exception
	STORE(448, SP)
	GET(512, SP)
	ADD(56, DI)
	STORE(512, SP)             // A = L + λ₂Z
	LOADA(384, SP, 0, DI)
	SHARE(512, SP)
	MULW
	REDUCE                     // AU, AX
	STOREHIGH(576, SP)
	STORE(384, SP)
	SQRW(448, SP, 448, SP)
	REDUCE                     // B = (X + U)²
	STORE(448, SP)
	ADD(384, SP)
	STORE(640, SP)             // AU + B
	LOADA(512, SP, 576, SP)
	LOADB(448, SP, 384, SP)
	MULW
	REDUCE                     // AB, X' = AX·AU
	STOREHIGH(0, DI)
	STORE(512, SP)
	SQRW(640, SP, 640, SP)
	REDUCE                     // (AU + B)²
	STORE(640, SP)
	GET(56, DI)
	ADD(112, DI)
	STORE(448, SP)             // L + Z
	LOADA(112, DI, 448, SP)
	SHARE(512, SP)
	MULW
	REDUCE                     // Z' = AB·Z, AB(L + Z)
	STORE(112, DI)
	HIGH
	ADD(640, SP)
	STORE(56, DI)              // L' = AB(L + Z) + (AU + B)²
	VZEROUPPER
	MOVB $1, ret+16(FP)
	RET

exception:
	VZEROUPPER
	MOVB $0, ret+16(FP)
	RET

// func step431wide(x1, z1, x2, z2, x, c *E7)
TEXT ·step431wide(SB), NOSPLIT, $640-48
	MOVQ x1+0(FP), AX
	MOVQ z1+8(FP), BX
	MOVQ x2+16(FP), CX
	MOVQ z2+24(FP), DX
	MOVQ x+32(FP), SI
	MOVQ c+40(FP), DI
	LOADA(0, AX, 0, CX)
	LOADB(0, DX, 0, BX)
	MULW
	REDUCE                     // X₁Z₂, X₂Z₁
	STOREHIGH(448, SP)
	STORE(384, SP)
	ADD(448, SP)
	STORE(512, SP)
	SQRW(0, AX, 0, BX)
	REDUCE                     // X₁², Z₁²
	STOREHIGH(0, BX)
	STORE(0, AX)
	LOADA(384, SP, 0, DI)
	LOADB(448, SP, 0, BX)
	MULW
	REDUCE                     // X₁Z₂·X₂Z₁, √b·Z₁²
	STORE(384, SP)
	HIGH
	ADD(0, AX)
	STORE(448, SP)
	SQRW(512, SP, 448, SP)
	REDUCE                     // Z₂', X₁' = (X₁² + √b·Z₁²)²
	STOREHIGH(576, SP)
	STORE(0, DX)
	LOADA(0, SI, 0, AX)
	LOADB(0, DX, 0, BX)
	MULW
	REDUCE                     // xZ₂', Z₁' = X₁²Z₁²
	STOREHIGH(0, BX)
	ADD(384, SP)
	STORE(0, CX)               // X₂' = xZ₂' + X₁Z₂·X₂Z₁
	GET(576, SP)
	STORE(0, AX)
	VZEROUPPER
	RET
