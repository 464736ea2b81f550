// Bouncy Castle as a peer, for peer_test.go: one question a line, one answer a line.
// Numbers are hexadecimal, big-endian; keys compressed, little-endian; digests in
// the order in which a hash function gives them.
//
//   verify OID KEY DIGEST R S      -> true | false | refused
//   sign OID D DIGEST              -> R S
//   bench OID D DIGEST MILLIS      -> operations a second of processor time:
//                                     new key, the same key again, sign

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.security.SecureRandom;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ua.DSTU4145NamedCurves;
import org.bouncycastle.asn1.ua.DSTU4145PointEncoder;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.params.ParametersWithRandom;
import org.bouncycastle.crypto.signers.DSTU4145Signer;
import org.bouncycastle.util.Arrays;
import org.bouncycastle.util.encoders.Hex;

public class Peer {
    static final SecureRandom RANDOM = new SecureRandom();

    static ECPublicKeyParameters key(ECDomainParameters d, byte[] enc) {
        return new ECPublicKeyParameters(DSTU4145PointEncoder.decodePoint(d.getCurve(), Arrays.reverse(enc)), d);
    }

    static boolean verify(ECPublicKeyParameters k, byte[] digest, BigInteger r, BigInteger s) {
        DSTU4145Signer v = new DSTU4145Signer();
        v.init(false, k);
        return v.verifySignature(digest, r, s);
    }

    static BigInteger[] sign(ECDomainParameters d, BigInteger x, byte[] digest) {
        DSTU4145Signer s = new DSTU4145Signer();
        s.init(true, new ParametersWithRandom(new ECPrivateKeyParameters(x, d), RANDOM));
        return s.generateSignature(digest);
    }

    interface Op { boolean run(); }

    static double rate(long millis, Op op) {
        var clock = ManagementFactory.getThreadMXBean();
        long end = System.currentTimeMillis() + millis;
        while (System.currentTimeMillis() < end) { // warm up
            if (!op.run()) throw new IllegalStateException();
        }
        double[] rates = new double[5];
        for (int i = 0; i < rates.length; i++) {
            long start = clock.getCurrentThreadCpuTime(), now = start;
            long n = 0;
            while (now - start < millis * 200000L) {
                op.run();
                n++;
                now = clock.getCurrentThreadCpuTime();
            }
            rates[i] = n * 1e9 / (now - start);
        }
        java.util.Arrays.sort(rates);
        return rates[rates.length / 2];
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] f = line.split(" ");
            ECDomainParameters d = DSTU4145NamedCurves.getByOID(new ASN1ObjectIdentifier(f[1]));
            switch (f[0]) {
            case "verify":
                try {
                    System.out.println(verify(key(d, Hex.decode(f[2])), Hex.decode(f[3]), new BigInteger(f[4], 16), new BigInteger(f[5], 16)));
                } catch (RuntimeException e) {
                    System.out.println("refused");
                }
                break;
            case "sign": {
                BigInteger[] rs = sign(d, new BigInteger(f[2], 16), Hex.decode(f[3]));
                System.out.println(rs[0].toString(16) + " " + rs[1].toString(16));
                break;
            }
            case "bench": {
                BigInteger x = new BigInteger(f[2], 16);
                byte[] digest = Hex.decode(f[3]);
                long millis = Long.parseLong(f[4]);
                byte[] enc = Arrays.reverse(DSTU4145PointEncoder.encodePoint(d.getG().multiply(x).negate().normalize()));
                BigInteger[] rs = sign(d, x, digest);
                ECPublicKeyParameters same = key(d, enc);
                System.out.println(
                    rate(millis, () -> verify(key(d, enc), digest, rs[0], rs[1])) + " "
                    + rate(millis, () -> verify(same, digest, rs[0], rs[1])) + " "
                    + rate(millis, () -> sign(d, x, digest) != null));
                break;
            }
            }
            System.out.flush();
        }
    }
}
