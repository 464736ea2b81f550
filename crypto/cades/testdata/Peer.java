// Bouncy Castle as a peer, for peer_test.go. It prints, each on a line: how often in
// a second of processor time it verifies a whole container, with the certificates of
// its chain and without; how many megabytes in a second it hashes with GOST 34.311
// and Kupyna-256.
//
//   java Peer.java CONTAINER ROOT MILLIS

import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.ua.DSTU4145Params;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.crypto.Digest;
import org.bouncycastle.crypto.digests.DSTU7564Digest;
import org.bouncycastle.crypto.digests.GOST3411Digest;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.signers.DSTU4145Signer;
import org.bouncycastle.crypto.util.PublicKeyFactory;

public class Peer {
    static final byte[] DKE = DSTU4145Params.getDefaultDKE();

    // The packed block has its high nibble first; the digest wants one octet a value.
    static byte[] unpacked() {
        byte[] s = new byte[128];
        for (int i = 0; i < DKE.length; i++) {
            s[2 * i] = (byte) (DKE[i] >> 4 & 15);
            s[2 * i + 1] = (byte) (DKE[i] & 15);
        }
        return s;
    }

    static final byte[] SBOX = unpacked();

    static byte[] gost(byte[] b) {
        return hash(new GOST3411Digest(SBOX), b);
    }

    static byte[] hash(Digest d, byte[] b) {
        byte[] out = new byte[d.getDigestSize()];
        d.update(b, 0, b.length);
        d.doFinal(out, 0);
        return out;
    }

    static byte[] reversed(byte[] b) {
        return org.bouncycastle.util.Arrays.reverse(b);
    }

    static boolean verify(ECPublicKeyParameters key, byte[] message, byte[] rs) {
        DSTU4145Signer v = new DSTU4145Signer();
        v.init(false, key);
        int h = rs.length / 2;
        return v.verifySignature(gost(message), new BigInteger(1, reversed(Arrays.copyOfRange(rs, 0, h))),
            new BigInteger(1, reversed(Arrays.copyOfRange(rs, h, 2 * h))));
    }

    static ECPublicKeyParameters key(X509CertificateHolder c) throws Exception {
        return (ECPublicKeyParameters) PublicKeyFactory.createKey(c.getSubjectPublicKeyInfo());
    }

    static boolean container(byte[] file, X509CertificateHolder root, boolean chain) throws Exception {
        CMSSignedData sd = new CMSSignedData(file);
        List<X509CertificateHolder> inside = new ArrayList<>(sd.getCertificates().getMatches(null));
        inside.add(root);
        for (SignerInformation si : sd.getSignerInfos().getSigners()) {
            X509CertificateHolder signer = (X509CertificateHolder) sd.getCertificates().getMatches(si.getSID()).iterator().next();
            byte[] stated = ASN1OctetString.getInstance(si.getSignedAttributes().get(CMSAttributes.messageDigest).getAttrValues().getObjectAt(0)).getOctets();
            if (!Arrays.equals(stated, gost((byte[]) sd.getSignedContent().getContent()))) {
                return false;
            }
            gost(signer.getEncoded()); // for signing-certificate-v2
            if (!verify(key(signer), si.getEncodedSignedAttributes(), si.getSignature())) {
                return false;
            }
            for (X509CertificateHolder c = signer; chain && !c.equals(root); ) {
                X509CertificateHolder above = null;
                for (X509CertificateHolder x : inside) {
                    if (x.getSubject().equals(c.getIssuer())) {
                        above = x;
                    }
                }
                byte[] rs = ASN1OctetString.getInstance(c.getSignature()).getOctets();
                if (above == null || !verify(key(above), c.toASN1Structure().getTBSCertificate().getEncoded("DER"), rs)) {
                    return false;
                }
                c = above;
            }
        }
        return true;
    }

    interface Op { boolean run() throws Exception; }

    static double rate(long millis, Op op) throws Exception {
        var clock = ManagementFactory.getThreadMXBean();
        for (long end = System.currentTimeMillis() + millis; System.currentTimeMillis() < end; ) { // warm up
            if (!op.run()) {
                throw new IllegalStateException("not verified");
            }
        }
        double[] rates = new double[5];
        for (int i = 0; i < rates.length; i++) {
            long start = clock.getCurrentThreadCpuTime(), now = start, n = 0;
            while (now - start < millis * 200000L) {
                op.run();
                n++;
                now = clock.getCurrentThreadCpuTime();
            }
            rates[i] = n * 1e9 / (now - start);
        }
        Arrays.sort(rates);
        return rates[rates.length / 2];
    }

    public static void main(String[] args) throws Exception {
        byte[] file = Files.readAllBytes(Path.of(args[0]));
        X509CertificateHolder root = new X509CertificateHolder(Files.readAllBytes(Path.of(args[1])));
        long millis = Long.parseLong(args[2]);
        byte[] much = new byte[64 << 10];
        System.out.println(rate(millis, () -> container(file, root, true)));
        System.out.println(rate(millis, () -> container(file, root, false)));
        System.out.println(rate(millis, () -> gost(much) != null) * much.length / 1e6);
        System.out.println(rate(millis, () -> hash(new DSTU7564Digest(256), much) != null) * much.length / 1e6);
    }
}
