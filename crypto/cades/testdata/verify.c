/*
 * verify SECONDS ROOT.crt LIST.crl LIST.crl FILE.p7s...
 *
 * How many documents in a second of processor time OpenSSL validates: each is decoded
 * anew and verified by CMS_verify, with its chain to ROOT and the CRLs of the whole chain.
 * Anchor, CRLs and the octets of the files are read once before, as a verifier that runs
 * all day has them. Everything is DER. It prints one number; a file that does not verify
 * ends it with an error.
 *
 * cc -O2 -o verify verify.c -lcrypto
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void die(const char *what) {
	fprintf(stderr, "%s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static unsigned char *whole(const char *name, long *n) {
	FILE *f = fopen(name, "rb");
	unsigned char *b;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (*n = ftell(f)) <= 0)
		die(name);
	rewind(f);
	if ((b = malloc((size_t)*n)) == NULL || fread(b, 1, (size_t)*n, f) != (size_t)*n)
		die(name);
	fclose(f);
	return b;
}

static double used(void) {
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void verify(const unsigned char *p, long n, X509_STORE *store) {
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, n);

	if (cms == NULL)
		die("d2i_CMS_ContentInfo");
	if (CMS_verify(cms, NULL, store, NULL, NULL, CMS_BINARY) != 1)
		die("CMS_verify");
	CMS_ContentInfo_free(cms);
}

int main(int argc, char **argv) {
	enum { first = 5 };
	X509_STORE *store = X509_STORE_new();
	double seconds, start, spent;
	unsigned char **files;
	long *sizes, done = 0;
	int i, n = argc - first;

	if (n < 1 || store == NULL)
		die("verify SECONDS ROOT.crt LIST.crl LIST.crl FILE.p7s...");
	seconds = atof(argv[1]);
	for (i = 2; i < first; i++) {
		long size;
		unsigned char *raw = whole(argv[i], &size);
		const unsigned char *p = raw;

		if (i == 2) {
			X509 *c = d2i_X509(NULL, &p, size);
			if (c == NULL || X509_STORE_add_cert(store, c) != 1)
				die(argv[i]);
		} else {
			X509_CRL *l = d2i_X509_CRL(NULL, &p, size);
			if (l == NULL || X509_STORE_add_crl(store, l) != 1)
				die(argv[i]);
		}
	}
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	X509_STORE_set_purpose(store, X509_PURPOSE_ANY);

	files = calloc((size_t)n, sizeof *files);
	sizes = calloc((size_t)n, sizeof *sizes);
	if (files == NULL || sizes == NULL)
		die("memory");
	for (i = 0; i < n; i++)
		files[i] = whole(argv[first + i], &sizes[i]);
	for (i = 0; i < n; i++)
		verify(files[i], sizes[i], store);

	start = used();
	do {
		for (i = 0; i < n; i++)
			verify(files[i], sizes[i], store);
		done += n;
		spent = used() - start;
	} while (spent < seconds);
	printf("%.1f\n", (double)done / spent);
	return 0;
}
