//go:build !purego

#include "textflag.h"

// Field elements of m = 257 in two 128-bit halves and the bit z^256.
//
// A product is one level of Karatsuba over the halves, twelve carry-less
// multiplications; the bits z^256 come in by masks. In its 513 bits what lies at
// z^257 and above is d = c >> 257; the result is c + d + d·z^12, and the few bits
// of d·z^12 that pass z^257 are folded once more. No instruction depends on data.

DATA lowbit<>+0(SB)/8, $1
DATA lowbit<>+8(SB)/8, $0
GLOBL lowbit<>(SB), RODATA|NOPTR, $16

// LOADA and LOADB load operands: X0, X1 and the mask X10; X2, X3 and X11.
// X15 is zero.
#define LOADA(off, p) \
	VMOVDQU  off+0(p), X0;  \
	VMOVDQU  off+16(p), X1; \
	VMOVDDUP off+32(p), X10; \
	VPSUBQ   X10, X15, X10

#define LOADB(off, p) \
	VMOVDQU  off+0(p), X2;  \
	VMOVDQU  off+16(p), X3; \
	VMOVDDUP off+32(p), X11; \
	VPSUBQ   X11, X15, X11

// MULW: X4, X12, X13, X8, X10 = X0:X1:X10 · X2:X3:X11, not reduced.
#define MULW \
	VPAND      X10, X2, X4;        \
	VPAND      X11, X0, X5;        \
	VPXOR      X4, X5, X13;        \
	VPAND      X10, X3, X4;        \
	VPAND      X11, X1, X5;        \
	VPXOR      X4, X5, X8;         \
	VPAND      X11, X10, X10;      \
	VPCLMULQDQ $0x00, X0, X2, X4;  \
	VPCLMULQDQ $0x11, X0, X2, X5;  \
	VPCLMULQDQ $0x01, X0, X2, X6;  \
	VPCLMULQDQ $0x10, X0, X2, X7;  \
	VPXOR      X0, X1, X0;         \
	VPXOR      X2, X3, X2;         \
	VPXOR      X6, X7, X6;         \
	VPCLMULQDQ $0x00, X1, X3, X7;  \
	VPCLMULQDQ $0x01, X1, X3, X9;  \
	VPCLMULQDQ $0x10, X1, X3, X11; \
	VPCLMULQDQ $0x11, X1, X3, X1;  \
	VPXOR      X9, X11, X9;        \
	VPXOR      X5, X7, X5;         \
	VPCLMULQDQ $0x00, X0, X2, X12; \
	VPCLMULQDQ $0x01, X0, X2, X14; \
	VPCLMULQDQ $0x10, X0, X2, X11; \
	VPCLMULQDQ $0x11, X0, X2, X0;  \
	VPXOR      X11, X14, X14;      \
	VPXOR      X6, X9, X7;         \
	VPXOR      X7, X14, X14;       \
	VPXOR      X12, X4, X12;       \
	VPXOR      X12, X5, X12;       \
	VPXOR      X1, X0, X0;         \
	VPXOR      X0, X5, X0;         \
	VPXOR      X0, X13, X13;       \
	VPSLLDQ    $8, X6, X7;         \
	VPXOR      X7, X4, X4;         \
	VPALIGNR   $8, X6, X14, X7;    \
	VPXOR      X7, X12, X12;       \
	VPALIGNR   $8, X14, X9, X7;    \
	VPXOR      X7, X13, X13;       \
	VPSRLDQ    $8, X9, X7;         \
	VPXOR      X7, X1, X1;         \
	VPXOR      X1, X8, X8

// SQRW: the same registers = (X0:X1:off+32(p))².
#define SQRW(off, p) \
	VPCLMULQDQ $0x00, X0, X0, X4;  \
	VPCLMULQDQ $0x11, X0, X0, X12; \
	VPCLMULQDQ $0x00, X1, X1, X13; \
	VPCLMULQDQ $0x11, X1, X1, X8;  \
	VMOVQ      off+32(p), X10

#define LOADS(off, p) \
	VMOVDQU off+0(p), X0;  \
	VMOVDQU off+16(p), X1

// REDUCE: X4, X12, X13 (one bit) = X4, X12, X13, X8, X10 reduced.
#define REDUCE \
	VPSRLQ   $1, X13, X0;         \
	VPSRLQ   $1, X8, X1;          \
	VPALIGNR $8, X13, X8, X2;     \
	VPALIGNR $8, X8, X10, X3;     \
	VPSLLQ   $63, X2, X2;         \
	VPSLLQ   $63, X3, X3;         \
	VPOR     X2, X0, X0;          \
	VPOR     X3, X1, X1;          \
	VPSRLQ   $52, X0, X2;         \
	VPSRLQ   $52, X1, X3;         \
	VPSLLQ   $12, X0, X5;         \
	VPSLLQ   $12, X1, X6;         \
	VPSLLDQ  $8, X2, X7;          \
	VPALIGNR $8, X2, X3, X9;      \
	VPSRLDQ  $8, X3, X3;          \
	VPXOR    X0, X5, X5;          \
	VPXOR    X1, X6, X6;          \
	VPXOR    X7, X4, X4;          \
	VPXOR    X9, X12, X12;        \
	VPXOR    X3, X13, X13;        \
	VPXOR    X5, X4, X4;          \
	VPXOR    X6, X12, X12;        \
	VPSRLQ   $1, X3, X3;          \
	VPSLLQ   $12, X3, X7;         \
	VPXOR    X3, X7, X7;          \
	VPXOR    X7, X4, X4;          \
	VPAND    lowbit<>(SB), X13, X13

#define STORE(off, p) \
	VMOVDQU X4, off+0(p);   \
	VMOVDQU X12, off+16(p); \
	VMOVQ   X13, off+32(p)

// ADD adds an element to X4, X12, X13; ADDS stores the sum of two.
#define ADD(off, p) \
	VPXOR off+0(p), X4, X4;    \
	VPXOR off+16(p), X12, X12; \
	VMOVQ off+32(p), X0;       \
	VPXOR X0, X13, X13

#define MUL(aoff, a, boff, b) \
	LOADA(aoff, a); \
	LOADB(boff, b); \
	MULW;           \
	REDUCE

#define SQR(off, p) \
	LOADS(off, p); \
	SQRW(off, p);  \
	REDUCE

// func mul257asm(z, x, y *E5)
TEXT ·mul257asm(SB), NOSPLIT, $0-24
	MOVQ  z+0(FP), DI
	MOVQ  x+8(FP), SI
	MOVQ  y+16(FP), DX
	VPXOR X15, X15, X15
	MUL(0, SI, 0, DX)
	STORE(0, DI)
	RET

// func sqr257asm(z, x *E5)
TEXT ·sqr257asm(SB), NOSPLIT, $0-16
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	SQR(0, SI)
	STORE(0, DI)
	RET

// func sqrN257asm(z, x *E5, n int)
TEXT ·sqrN257asm(SB), NOSPLIT, $0-24
	MOVQ    z+0(FP), DI
	MOVQ    x+8(FP), SI
	MOVQ    n+16(FP), CX
	VMOVDQU 0(SI), X4
	VMOVDQU 16(SI), X12
	VMOVQ   32(SI), X13
	TESTQ   CX, CX
	JLE     done

loop:
	VMOVDQA    X13, X10
	VPCLMULQDQ $0x11, X12, X12, X8
	VPCLMULQDQ $0x00, X12, X12, X13
	VPCLMULQDQ $0x11, X4, X4, X12
	VPCLMULQDQ $0x00, X4, X4, X4
	REDUCE
	DECQ       CX
	JNZ        loop

done:
	STORE(0, DI)
	RET

// func double257asm(p *Point[E5])
// Lambda coordinates, a = 0: see doubleGeneric.
TEXT ·double257asm(SB), NOSPLIT, $192-8
	MOVQ  p+0(FP), DI
	VPXOR X15, X15, X15
	MUL(40, DI, 80, DI)     // LZ
	STORE(0, SP)
	SQR(40, DI)             // L²
	ADD(0, SP)
	STORE(96, SP)           // T = L² + LZ
	SQR(80, DI)             // Z²
	STORE(48, SP)
	MUL(0, DI, 80, DI)      // XZ
	STORE(144, SP)
	SQR(96, SP)             // X' = T²
	STORE(0, DI)
	MUL(96, SP, 48, SP)     // Z' = TZ²
	STORE(80, DI)
	LOADA(96, SP)
	LOADB(0, SP)
	MULW                    // T·LZ
	LOADS(144, SP)          // (XZ)², added before the reduction
	VPCLMULQDQ $0x00, X0, X0, X2
	VPCLMULQDQ $0x11, X0, X0, X3
	VPCLMULQDQ $0x00, X1, X1, X5
	VPCLMULQDQ $0x11, X1, X1, X6
	VMOVQ      176(SP), X7
	VPXOR      X2, X4, X4
	VPXOR      X3, X12, X12
	VPXOR      X5, X13, X13
	VPXOR      X6, X8, X8
	VPXOR      X7, X10, X10
	REDUCE
	ADD(0, DI)
	ADD(80, DI)
	STORE(40, DI)
	RET

// func addMixed257asm(p *Point[E5], q *Affine[E5]) bool
TEXT ·addMixed257asm(SB), NOSPLIT, $240-17
	MOVQ  p+0(FP), DI
	MOVQ  q+8(FP), SI
	VPXOR X15, X15, X15
	MOVQ  80(DI), AX
	ORQ   88(DI), AX
	ORQ   96(DI), AX
	ORQ   104(DI), AX
	ORQ   112(DI), AX
	JZ    exception
	MUL(0, SI, 80, DI)      // U = x₂Z
	STORE(0, SP)
	ADD(0, DI)              // X + U
	STORE(48, SP)
	VPOR  X4, X12, X0
	VPOR  X13, X0, X0
	VPTEST X0, X0
	JZ    exception
	MUL(40, SI, 80, DI)     // A = L + λ₂Z
	ADD(40, DI)
	STORE(96, SP)
	SQR(48, SP)             // B = (X + U)²
	STORE(48, SP)
	MUL(96, SP, 0, SP)      // AU
	STORE(0, SP)
	ADD(48, SP)
	STORE(192, SP)          // AU + B
	MUL(0, DI, 96, SP)      // AX
	STORE(144, SP)
	MUL(96, SP, 48, SP)     // AB
	STORE(96, SP)
	MUL(0, SP, 144, SP)     // X' = AX·AU
	STORE(0, DI)
	VMOVDQU 40(DI), X4
	VMOVDQU 56(DI), X12
	VMOVQ   72(DI), X13
	ADD(80, DI)
	STORE(48, SP)           // L + Z
	MUL(96, SP, 80, DI)     // Z' = AB·Z
	STORE(80, DI)
	LOADA(96, SP)
	LOADB(48, SP)
	MULW                    // AB(L + Z)
	LOADS(192, SP)          // + (AU + B)²
	VPCLMULQDQ $0x00, X0, X0, X2
	VPCLMULQDQ $0x11, X0, X0, X3
	VPCLMULQDQ $0x00, X1, X1, X5
	VPCLMULQDQ $0x11, X1, X1, X6
	VMOVQ      224(SP), X7
	VPXOR      X2, X4, X4
	VPXOR      X3, X12, X12
	VPXOR      X5, X13, X13
	VPXOR      X6, X8, X8
	VPXOR      X7, X10, X10
	REDUCE
	STORE(40, DI)
	MOVB  $1, ret+16(FP)
	RET

exception:
	MOVB $0, ret+16(FP)
	RET

// func step257asm(x1, z1, x2, z2, x, c *E5)
TEXT ·step257asm(SB), NOSPLIT, $96-48
	MOVQ  x1+0(FP), AX
	MOVQ  z1+8(FP), BX
	MOVQ  x2+16(FP), CX
	MOVQ  z2+24(FP), DX
	MOVQ  x+32(FP), SI
	MOVQ  c+40(FP), DI
	VPXOR X15, X15, X15
	MUL(0, AX, 0, DX)       // X₁Z₂
	STORE(0, SP)
	MUL(0, CX, 0, BX)       // X₂Z₁
	STORE(48, SP)
	ADD(0, SP)
	STORE(0, DX)
	SQR(0, DX)
	STORE(0, DX)            // Z₂'
	SQR(0, AX)              // X₁²
	STORE(0, AX)
	SQR(0, BX)              // Z₁²
	STORE(0, BX)
	MUL(0, SP, 48, SP)
	STORE(0, SP)
	MUL(0, DX, 0, SI)
	ADD(0, SP)
	STORE(0, CX)            // X₂' = xZ₂' + X₁Z₂·X₂Z₁
	MUL(0, BX, 0, DI)       // √b·Z₁²
	ADD(0, AX)
	STORE(48, SP)
	MUL(0, AX, 0, BX)       // Z₁' = X₁²Z₁²
	STORE(0, BX)
	SQR(48, SP)             // X₁' = (X₁² + √b·Z₁²)²
	STORE(0, AX)
	RET
