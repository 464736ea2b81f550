//go:build !purego

#include "textflag.h"

// Field elements of m = 431 in three 128-bit blocks and a word of 47 bits.
//
// A product is one level of Karatsuba at z^256: twelve carry-less multiplications
// for each of the low and the middle part, nine for the high one (three words by
// three). Reduction: z^448 = z^17·(z^5 + z^3 + z + 1), so each word from the
// eighth on is multiplied by that constant; the 17 bits then left above z^431 are
// multiplied by z^5 + z^3 + z + 1. No instruction depends on data.
//
// The first 128 bytes of every frame belong to MULW.

DATA fold<>+0(SB)/8, $0x560000
DATA fold<>+8(SB)/8, $0x2b
GLOBL fold<>(SB), RODATA|NOPTR, $16

DATA low47<>+0(SB)/8, $0x7fffffffffff
DATA low47<>+8(SB)/8, $0
GLOBL low47<>(SB), RODATA|NOPTR, $16

// MUL256: X4, X12, X13, X1 = X0:X1 · X2:X3. Uses X5 to X11 and X14.
#define MUL256 \
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
	VPXOR      X0, X5, X13;        \
	VPSLLDQ    $8, X6, X7;         \
	VPXOR      X7, X4, X4;         \
	VPALIGNR   $8, X6, X14, X7;    \
	VPXOR      X7, X12, X12;       \
	VPALIGNR   $8, X14, X9, X7;    \
	VPXOR      X7, X13, X13;       \
	VPSRLDQ    $8, X9, X7;         \
	VPXOR      X7, X1, X1

// MULW: X4, X12, X14, X15, X13, X11, X10 = the product, not reduced.
#define MULW(ao, a, bo, b) \
	VMOVDQU    ao+0(a), X0;        \
	VMOVDQU    ao+16(a), X1;       \
	VMOVDQU    bo+0(b), X2;        \
	VMOVDQU    bo+16(b), X3;       \
	VMOVQ      ao+48(a), X4;       \
	VMOVQ      bo+48(b), X5;       \
	VPXOR      ao+32(a), X0, X0;   \
	VPXOR      bo+32(b), X2, X2;   \
	VPXOR      X4, X1, X1;         \
	VPXOR      X5, X3, X3;         \
	MUL256;                        \
	VMOVDQU    X4, 0(SP);          \
	VMOVDQU    X12, 16(SP);        \
	VMOVDQU    X13, 32(SP);        \
	VMOVDQU    X1, 48(SP);         \
	VMOVDQU    ao+0(a), X0;        \
	VMOVDQU    ao+16(a), X1;       \
	VMOVDQU    bo+0(b), X2;        \
	VMOVDQU    bo+16(b), X3;       \
	MUL256;                        \
	VPXOR      X13, X4, X14;       \
	VPXOR      0(SP), X14, X14;    \
	VPXOR      X1, X12, X15;       \
	VPXOR      16(SP), X15, X15;   \
	VPXOR      32(SP), X13, X13;   \
	VPXOR      48(SP), X1, X11;    \
	VMOVDQU    ao+32(a), X0;       \
	VMOVQ      ao+48(a), X1;       \
	VMOVDQU    bo+32(b), X2;       \
	VMOVQ      bo+48(b), X3;       \
	VPCLMULQDQ $0x00, X0, X2, X5;  \
	VPCLMULQDQ $0x11, X0, X2, X6;  \
	VPCLMULQDQ $0x01, X0, X2, X7;  \
	VPCLMULQDQ $0x10, X0, X2, X8;  \
	VPXOR      X8, X7, X7;         \
	VPCLMULQDQ $0x00, X0, X3, X8;  \
	VPCLMULQDQ $0x00, X1, X2, X9;  \
	VPXOR      X9, X8, X8;         \
	VPCLMULQDQ $0x10, X0, X3, X9;  \
	VPCLMULQDQ $0x10, X2, X1, X10; \
	VPXOR      X10, X9, X9;        \
	VPCLMULQDQ $0x00, X1, X3, X10; \
	VPSLLDQ    $8, X7, X0;         \
	VPXOR      X0, X5, X5;         \
	VPALIGNR   $8, X7, X9, X0;     \
	VPXOR      X8, X6, X6;         \
	VPXOR      X0, X6, X6;         \
	VPSRLDQ    $8, X9, X0;         \
	VPXOR      X0, X10, X10;       \
	VPXOR      X5, X14, X14;       \
	VPXOR      X6, X15, X15;       \
	VPXOR      X5, X10, X0;        \
	VPXOR      X0, X13, X13;       \
	VPXOR      X6, X11, X11

// SQRW: the same registers = a square.
#define SQRW(off, p) \
	VMOVDQU    off+0(p), X0;       \
	VMOVDQU    off+16(p), X1;      \
	VMOVDQU    off+32(p), X2;      \
	VMOVQ      off+48(p), X3;      \
	VPCLMULQDQ $0x00, X0, X0, X4;  \
	VPCLMULQDQ $0x11, X0, X0, X12; \
	VPCLMULQDQ $0x00, X1, X1, X14; \
	VPCLMULQDQ $0x11, X1, X1, X15; \
	VPCLMULQDQ $0x00, X2, X2, X13; \
	VPCLMULQDQ $0x11, X2, X2, X11; \
	VPCLMULQDQ $0x00, X3, X3, X10

// REDUCE: X4, X12, X14, X15 = the same registers reduced.
#define REDUCE \
	VMOVDQU    fold<>(SB), X0;      \
	VPCLMULQDQ $0x01, X0, X15, X1;  \
	VPCLMULQDQ $0x01, X0, X10, X5;  \
	VPCLMULQDQ $0x00, X0, X10, X8;  \
	VPCLMULQDQ $0x01, X0, X13, X2;  \
	VPCLMULQDQ $0x00, X0, X13, X6;  \
	VPCLMULQDQ $0x01, X0, X11, X3;  \
	VPCLMULQDQ $0x00, X0, X11, X7;  \
	VPXOR      X1, X4, X4;          \
	VPXOR      X5, X15, X15;        \
	VPSRLDQ    $8, X8, X5;          \
	VPXOR      X5, X15, X15;        \
	VPSRLQ     $47, X15, X9;        \
	VPCLMULQDQ $0x10, X0, X9, X9;   \
	VPXOR      X2, X12, X12;        \
	VPXOR      X3, X14, X14;        \
	VPSLLDQ    $8, X6, X1;          \
	VPXOR      X1, X4, X4;          \
	VPALIGNR   $8, X6, X7, X1;      \
	VPXOR      X1, X12, X12;        \
	VPALIGNR   $8, X7, X8, X1;      \
	VPXOR      X1, X14, X14;        \
	VPAND      low47<>(SB), X15, X15; \
	VPXOR      X9, X4, X4

#define STORE(off, p) \
	VMOVDQU X4, off+0(p);   \
	VMOVDQU X12, off+16(p); \
	VMOVDQU X14, off+32(p); \
	VMOVQ   X15, off+48(p)

#define ADD(off, p) \
	VPXOR off+0(p), X4, X4;    \
	VPXOR off+16(p), X12, X12; \
	VPXOR off+32(p), X14, X14; \
	VMOVQ off+48(p), X0;       \
	VPXOR X0, X15, X15

#define MUL(ao, a, bo, b) \
	MULW(ao, a, bo, b); \
	REDUCE

#define SQR(off, p) \
	SQRW(off, p); \
	REDUCE

// ADDSQR adds the square of an element to a product that is not reduced.
#define ADDSQR(off, p) \
	VMOVDQU    off+0(p), X0;      \
	VMOVDQU    off+16(p), X1;     \
	VMOVDQU    off+32(p), X2;     \
	VMOVQ      off+48(p), X3;     \
	VPCLMULQDQ $0x00, X0, X0, X5; \
	VPCLMULQDQ $0x11, X0, X0, X6; \
	VPCLMULQDQ $0x00, X1, X1, X7; \
	VPCLMULQDQ $0x11, X1, X1, X8; \
	VPCLMULQDQ $0x00, X2, X2, X9; \
	VPCLMULQDQ $0x11, X2, X2, X0; \
	VPCLMULQDQ $0x00, X3, X3, X1; \
	VPXOR      X5, X4, X4;        \
	VPXOR      X6, X12, X12;      \
	VPXOR      X7, X14, X14;      \
	VPXOR      X8, X15, X15;      \
	VPXOR      X9, X13, X13;      \
	VPXOR      X0, X11, X11;      \
	VPXOR      X1, X10, X10

// func mul431asm(z, x, y *E7)
TEXT ·mul431asm(SB), NOSPLIT, $128-24
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MUL(0, SI, 0, DX)
	STORE(0, DI)
	RET

// func sqr431asm(z, x *E7)
TEXT ·sqr431asm(SB), NOSPLIT, $0-16
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	SQR(0, SI)
	STORE(0, DI)
	RET

// func sqrN431asm(z, x *E7, n int)
TEXT ·sqrN431asm(SB), NOSPLIT, $0-24
	MOVQ    z+0(FP), DI
	MOVQ    x+8(FP), SI
	MOVQ    n+16(FP), CX
	VMOVDQU 0(SI), X4
	VMOVDQU 16(SI), X12
	VMOVDQU 32(SI), X14
	VMOVQ   48(SI), X15
	TESTQ   CX, CX
	JLE     done

loop:
	VPCLMULQDQ $0x00, X15, X15, X10
	VPCLMULQDQ $0x11, X14, X14, X11
	VPCLMULQDQ $0x00, X14, X14, X13
	VPCLMULQDQ $0x11, X12, X12, X15
	VPCLMULQDQ $0x00, X12, X12, X14
	VPCLMULQDQ $0x11, X4, X4, X12
	VPCLMULQDQ $0x00, X4, X4, X4
	REDUCE
	DECQ       CX
	JNZ        loop

done:
	STORE(0, DI)
	RET

// func double431asm(p *Point[E7])
// Lambda coordinates, a = 1: see doubleGeneric.
TEXT ·double431asm(SB), NOSPLIT, $384-8
	MOVQ p+0(FP), DI
	MUL(56, DI, 112, DI)  // LZ
	STORE(128, SP)
	SQR(112, DI)          // Z²
	STORE(192, SP)
	SQR(56, DI)           // L²
	ADD(128, SP)
	ADD(192, SP)
	STORE(256, SP)        // T = L² + LZ + Z²
	MUL(0, DI, 112, DI)   // XZ
	STORE(320, SP)
	SQR(256, SP)          // X' = T²
	STORE(0, DI)
	MUL(256, SP, 192, SP) // Z' = TZ²
	STORE(112, DI)
	MULW(256, SP, 128, SP)
	ADDSQR(320, SP)       // T·LZ + (XZ)²
	REDUCE
	ADD(0, DI)
	ADD(112, DI)
	STORE(56, DI)
	RET

// func addMixed431asm(p *Point[E7], q *Affine[E7]) bool
TEXT ·addMixed431asm(SB), NOSPLIT, $448-17
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
	MUL(0, SI, 112, DI)   // U = x₂Z
	STORE(128, SP)
	ADD(0, DI)            // X + U
	STORE(192, SP)
	VPOR   X4, X12, X0
	VPOR   X14, X15, X1
	VPOR   X1, X0, X0
	VPTEST X0, X0
	JZ     exception
	MUL(56, SI, 112, DI)  // A = L + λ₂Z
	ADD(56, DI)
	STORE(256, SP)
	SQR(192, SP)          // B = (X + U)²
	STORE(192, SP)
	MUL(256, SP, 128, SP) // AU
	STORE(128, SP)
	ADD(192, SP)
	STORE(320, SP)        // AU + B
	MUL(0, DI, 256, SP)   // AX
	STORE(384, SP)
	MUL(256, SP, 192, SP) // AB
	STORE(256, SP)
	MUL(128, SP, 384, SP) // X' = AX·AU
	STORE(0, DI)
	VMOVDQU 56(DI), X4
	VMOVDQU 72(DI), X12
	VMOVDQU 88(DI), X14
	VMOVQ   104(DI), X15
	ADD(112, DI)
	STORE(192, SP)        // L + Z
	MUL(256, SP, 112, DI) // Z' = AB·Z
	STORE(112, DI)
	MULW(256, SP, 192, SP)
	ADDSQR(320, SP)       // L' = AB(L + Z) + (AU + B)²
	REDUCE
	STORE(56, DI)
	MOVB $1, ret+16(FP)
	RET

exception:
	MOVB $0, ret+16(FP)
	RET

// func step431asm(x1, z1, x2, z2, x, c *E7)
TEXT ·step431asm(SB), NOSPLIT, $256-48
	MOVQ x1+0(FP), AX
	MOVQ z1+8(FP), BX
	MOVQ x2+16(FP), CX
	MOVQ z2+24(FP), DX
	MOVQ x+32(FP), SI
	MOVQ c+40(FP), DI
	MUL(0, AX, 0, DX)     // X₁Z₂
	STORE(128, SP)
	MUL(0, CX, 0, BX)     // X₂Z₁
	STORE(192, SP)
	ADD(128, SP)
	STORE(0, DX)
	SQR(0, DX)
	STORE(0, DX)          // Z₂'
	SQR(0, AX)            // X₁²
	STORE(0, AX)
	SQR(0, BX)            // Z₁²
	STORE(0, BX)
	MUL(128, SP, 192, SP)
	STORE(128, SP)
	MUL(0, DX, 0, SI)
	ADD(128, SP)
	STORE(0, CX)          // X₂' = xZ₂' + X₁Z₂·X₂Z₁
	MUL(0, BX, 0, DI)     // √b·Z₁²
	ADD(0, AX)
	STORE(192, SP)
	MUL(0, AX, 0, BX)     // Z₁' = X₁²Z₁²
	STORE(0, BX)
	SQR(192, SP)          // X₁' = (X₁² + √b·Z₁²)²
	STORE(0, AX)
	RET
