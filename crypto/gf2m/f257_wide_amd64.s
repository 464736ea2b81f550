//go:build !purego

#include "textflag.h"

// The routines of f257_amd64.s with two multiplications at once, in the two lanes
// of 256-bit registers, for processors with VPCLMULQDQ and AVX-512 (VL, VBMI2): the
// formulas for points have nearly all their multiplications in independent pairs.
// VPTERNLOGQ 0x96 is a sum of three, 0x78 adds a conjunction.

DATA lowbits<>+0(SB)/8, $1
DATA lowbits<>+8(SB)/8, $0
DATA lowbits<>+16(SB)/8, $1
DATA lowbits<>+24(SB)/8, $0
GLOBL lowbits<>(SB), RODATA|NOPTR, $32

// LOADA and LOADB load a pair of operands: Y0, Y1 and the masks Y10; Y2, Y3 and
// Y11. SHARE loads one operand for both, as LOADB. Y15 is zero.
#define LOADA(o1, p1, o2, p2) \
	VMOVDQU      o1+0(p1), X0;          \
	VMOVDQU      o1+16(p1), X1;         \
	VMOVDDUP     o1+32(p1), X10;        \
	VMOVDDUP     o2+32(p2), X4;         \
	VINSERTI128  $1, o2+0(p2), Y0, Y0;  \
	VINSERTI128  $1, o2+16(p2), Y1, Y1; \
	VINSERTI128  $1, X4, Y10, Y10;      \
	VPSUBQ       Y10, Y15, Y10

#define LOADB(o1, p1, o2, p2) \
	VMOVDQU      o1+0(p1), X2;          \
	VMOVDQU      o1+16(p1), X3;         \
	VMOVDDUP     o1+32(p1), X11;        \
	VMOVDDUP     o2+32(p2), X4;         \
	VINSERTI128  $1, o2+0(p2), Y2, Y2;  \
	VINSERTI128  $1, o2+16(p2), Y3, Y3; \
	VINSERTI128  $1, X4, Y11, Y11;      \
	VPSUBQ       Y11, Y15, Y11

#define SHARE(o, p) \
	VBROADCASTI128 o+0(p), Y2;   \
	VBROADCASTI128 o+16(p), Y3;  \
	VPBROADCASTQ   o+32(p), Y11; \
	VPSUBQ         Y11, Y15, Y11

// MULW: Y4, Y12, Y13, Y8, Y10 = Y0:Y1:Y10 · Y2:Y3:Y11, not reduced.
#define MULW \
	VPAND      Y10, Y2, Y13;       \
	VPAND      Y10, Y3, Y8;        \
	VPAND      Y11, Y10, Y10;      \
	VPTERNLOGQ $0x78, Y0, Y11, Y13; \
	VPTERNLOGQ $0x78, Y1, Y11, Y8; \
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
	VPCLMULQDQ $0x11, Y0, Y2, Y0;  \
	VPXOR      Y11, Y14, Y14;      \
	VPTERNLOGQ $0x96, Y6, Y9, Y14; \
	VPTERNLOGQ $0x96, Y4, Y5, Y12; \
	VPTERNLOGQ $0x96, Y1, Y5, Y0;  \
	VPSLLDQ    $8, Y6, Y7;         \
	VPXOR      Y7, Y4, Y4;         \
	VPALIGNR   $8, Y6, Y14, Y7;    \
	VPXOR      Y7, Y12, Y12;       \
	VPALIGNR   $8, Y14, Y9, Y7;    \
	VPTERNLOGQ $0x96, Y0, Y7, Y13; \
	VPSRLDQ    $8, Y9, Y7;         \
	VPTERNLOGQ $0x96, Y1, Y7, Y8

// LOADS loads a pair to square, SQRW squares it: the same registers.
#define LOADS(o1, p1, o2, p2) \
	VMOVDQU     o1+0(p1), X0;          \
	VMOVDQU     o1+16(p1), X1;         \
	VMOVQ       o1+32(p1), X10;        \
	VMOVQ       o2+32(p2), X4;         \
	VINSERTI128 $1, o2+0(p2), Y0, Y0;  \
	VINSERTI128 $1, o2+16(p2), Y1, Y1; \
	VINSERTI128 $1, X4, Y10, Y10

#define SQRW \
	VPCLMULQDQ $0x00, Y0, Y0, Y4;  \
	VPCLMULQDQ $0x11, Y0, Y0, Y12; \
	VPCLMULQDQ $0x00, Y1, Y1, Y13; \
	VPCLMULQDQ $0x11, Y1, Y1, Y8

// REDUCE: Y4, Y12, Y13 (one bit) = Y4, Y12, Y13, Y8, Y10 reduced.
#define REDUCE \
	VPALIGNR   $8, Y13, Y8, Y2;     \
	VPALIGNR   $8, Y8, Y10, Y3;     \
	VPSHRDQ    $1, Y2, Y13, Y0;     \
	VPSHRDQ    $1, Y3, Y8, Y1;      \
	VPSLLDQ    $8, Y0, Y5;          \
	VPALIGNR   $8, Y0, Y1, Y6;      \
	VPSRLDQ    $8, Y1, Y3;          \
	VPSHLDQ    $12, Y5, Y0, Y5;     \
	VPSHLDQ    $12, Y6, Y1, Y6;     \
	VPSRLQ     $52, Y3, Y3;         \
	VPTERNLOGQ $0x96, Y0, Y5, Y4;   \
	VPTERNLOGQ $0x96, Y1, Y6, Y12;  \
	VPXOR      Y3, Y13, Y13;        \
	VPSRLQ     $1, Y3, Y2;          \
	VPSLLQ     $12, Y2, Y7;         \
	VPTERNLOGQ $0x96, Y2, Y7, Y4;   \
	VPAND      lowbits<>(SB), Y13, Y13

#define STORE(off, p) \
	VMOVDQU X4, off+0(p);   \
	VMOVDQU X12, off+16(p); \
	VMOVQ   X13, off+32(p)

// HIGH moves the second result to X4, X12, X13; STOREHIGH stores it and leaves the
// first one there.
#define HIGH \
	VEXTRACTI128 $1, Y4, X4;   \
	VEXTRACTI128 $1, Y12, X12; \
	VEXTRACTI128 $1, Y13, X13

#define STOREHIGH(off, p) \
	VEXTRACTI128 $1, Y4, off+0(p);   \
	VEXTRACTI128 $1, Y12, off+16(p); \
	VEXTRACTI128 $1, Y13, X0;        \
	VMOVQ        X0, off+32(p)

#define ADD(off, p) \
	VPXOR off+0(p), X4, X4;    \
	VPXOR off+16(p), X12, X12; \
	VMOVQ off+32(p), X0;       \
	VPXOR X0, X13, X13

// func double257wide(p *Point[E5])
// Lambda coordinates, a = 0: see doubleGeneric.
TEXT ·double257wide(SB), NOSPLIT, $192-8
	MOVQ  p+0(FP), DI
	VPXOR Y15, Y15, Y15
	LOADA(40, DI, 0, DI)
	SHARE(80, DI)
	MULW
	REDUCE                 // LZ, XZ
	STOREHIGH(48, SP)
	STORE(0, SP)
	LOADS(40, DI, 80, DI)
	SQRW
	REDUCE                 // L², Z²
	STOREHIGH(144, SP)
	ADD(0, SP)
	STORE(96, SP)          // T = L² + LZ
	LOADS(96, SP, 48, SP)
	SQRW
	REDUCE                 // X' = T², (XZ)²
	STOREHIGH(48, SP)
	STORE(0, DI)
	ADD(48, SP)
	STORE(48, SP)          // X' + (XZ)²
	LOADA(144, SP, 0, SP)
	SHARE(96, SP)
	MULW
	REDUCE                 // Z' = TZ², T·LZ
	STORE(80, DI)
	HIGH
	ADD(48, SP)
	ADD(80, DI)
	STORE(40, DI)          // L' = T·LZ + X' + (XZ)² + Z'
	VZEROUPPER
	RET

// func addMixed257wide(p *Point[E5], q *Affine[E5]) bool
TEXT ·addMixed257wide(SB), NOSPLIT, $240-17
	MOVQ  p+0(FP), DI
	MOVQ  q+8(FP), SI
	VPXOR Y15, Y15, Y15
	MOVQ  80(DI), AX
	ORQ   88(DI), AX
	ORQ   96(DI), AX
	ORQ   104(DI), AX
	ORQ   112(DI), AX
	JZ    exception
	LOADA(0, SI, 40, SI)
	SHARE(80, DI)
	MULW
	REDUCE                 // U = x₂Z, λ₂Z
	STOREHIGH(96, SP)
	STORE(0, SP)
	ADD(0, DI)             // X + U
	VPOR   X4, X12, X0
	VPOR   X13, X0, X0
	VPTEST X0, X0
	JZ     exception
	STORE(48, SP)
	VMOVDQU 96(SP), X4
	VMOVDQU 112(SP), X12
	VMOVQ   128(SP), X13
	ADD(40, DI)
	STORE(96, SP)          // A = L + λ₂Z
	LOADA(0, SP, 0, DI)
	SHARE(96, SP)
	MULW
	REDUCE                 // AU, AX
	STOREHIGH(144, SP)
	STORE(0, SP)
	LOADS(48, SP, 48, SP)
	SQRW
	REDUCE                 // B = (X + U)²
	STORE(48, SP)
	ADD(0, SP)
	STORE(192, SP)         // AU + B
	LOADA(96, SP, 144, SP)
	LOADB(48, SP, 0, SP)
	MULW
	REDUCE                 // AB, X' = AX·AU
	STOREHIGH(0, DI)
	STORE(96, SP)
	LOADS(192, SP, 192, SP)
	SQRW
	REDUCE                 // (AU + B)²
	STORE(192, SP)
	VMOVDQU 40(DI), X4
	VMOVDQU 56(DI), X12
	VMOVQ   72(DI), X13
	ADD(80, DI)
	STORE(48, SP)          // L + Z
	LOADA(80, DI, 48, SP)
	SHARE(96, SP)
	MULW
	REDUCE                 // Z' = AB·Z, AB(L + Z)
	STORE(80, DI)
	HIGH
	ADD(192, SP)
	STORE(40, DI)          // L' = AB(L + Z) + (AU + B)²
	VZEROUPPER
	MOVB $1, ret+16(FP)
	RET

exception:
	VZEROUPPER
	MOVB $0, ret+16(FP)
	RET

// func step257wide(x1, z1, x2, z2, x, c *E5)
TEXT ·step257wide(SB), NOSPLIT, $192-48
	MOVQ  x1+0(FP), AX
	MOVQ  z1+8(FP), BX
	MOVQ  x2+16(FP), CX
	MOVQ  z2+24(FP), DX
	MOVQ  x+32(FP), SI
	MOVQ  c+40(FP), DI
	VPXOR Y15, Y15, Y15
	LOADA(0, AX, 0, CX)
	LOADB(0, DX, 0, BX)
	MULW
	REDUCE                 // X₁Z₂, X₂Z₁
	STOREHIGH(48, SP)
	STORE(0, SP)
	ADD(48, SP)
	STORE(96, SP)
	LOADS(0, AX, 0, BX)
	SQRW
	REDUCE                 // X₁², Z₁²
	STOREHIGH(0, BX)
	STORE(0, AX)
	LOADA(0, SP, 0, DI)
	LOADB(48, SP, 0, BX)
	MULW
	REDUCE                 // X₁Z₂·X₂Z₁, √b·Z₁²
	STORE(0, SP)
	HIGH
	ADD(0, AX)
	STORE(48, SP)
	LOADS(96, SP, 48, SP)
	SQRW
	REDUCE                 // Z₂', X₁' = (X₁² + √b·Z₁²)²
	STOREHIGH(144, SP)
	STORE(0, DX)
	LOADA(0, SI, 0, AX)
	LOADB(0, DX, 0, BX)
	MULW
	REDUCE                 // xZ₂', Z₁' = X₁²Z₁²
	STOREHIGH(0, BX)
	ADD(0, SP)
	STORE(0, CX)           // X₂' = xZ₂' + X₁Z₂·X₂Z₁
	VMOVDQU 144(SP), X4
	VMOVDQU 160(SP), X12
	VMOVQ   176(SP), X13
	STORE(0, AX)
	VZEROUPPER
	RET
