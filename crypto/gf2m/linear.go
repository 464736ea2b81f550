package gf2m

func (l linear[E]) apply(z, x *E) {
	switch l := any(l).(type) {
	case linear[E5]:
		apply5(l, any(z).(*E5), any(x).(*E5))
	case linear[E7]:
		apply7(l, any(z).(*E7), any(x).(*E7))
	}
}

func apply5(l linear[E5], z, x *E5) {
	var r0, r1, r2, r3, r4 uint64
	var w uint64
	for i := range l {
		if i%16 == 0 {
			w = x[i/16]
		}
		t := &l[i][w&15]
		w >>= 4
		r0 ^= t[0]
		r1 ^= t[1]
		r2 ^= t[2]
		r3 ^= t[3]
		r4 ^= t[4]
	}
	*z = E5{r0, r1, r2, r3, r4}
}

func apply7(l linear[E7], z, x *E7) {
	var r0, r1, r2, r3, r4, r5, r6 uint64
	var w uint64
	for i := range l {
		if i%16 == 0 {
			w = x[i/16]
		}
		t := &l[i][w&15]
		w >>= 4
		r0 ^= t[0]
		r1 ^= t[1]
		r2 ^= t[2]
		r3 ^= t[3]
		r4 ^= t[4]
		r5 ^= t[5]
		r6 ^= t[6]
	}
	*z = E7{r0, r1, r2, r3, r4, r5, r6}
}
