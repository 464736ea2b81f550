// Bouncy Castle's OCSP responder with a key of DSTU 4145, for peer_test.go:
//
//   java Responder.java DIR
//
// It makes its key, writes the public one to DIR/spki.der, and prints its address on
// loopback. Then it answers: with the certificate in DIR/responder.cer, revoked for each
// serial number (hexadecimal, one a line) in DIR/revoked.txt, unknown where the issuer is
// not DIR/issuer.cer by name and key identifier, good for all others.

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.Date;
import org.bouncycastle.asn1.ocsp.OCSPObjectIdentifiers;
import org.bouncycastle.asn1.ua.UAObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.BasicOCSPRespBuilder;
import org.bouncycastle.cert.ocsp.CertificateStatus;
import org.bouncycastle.cert.ocsp.OCSPReq;
import org.bouncycastle.cert.ocsp.OCSPRespBuilder;
import org.bouncycastle.cert.ocsp.Req;
import org.bouncycastle.cert.ocsp.RespID;
import org.bouncycastle.cert.ocsp.RevokedStatus;
import org.bouncycastle.cert.ocsp.UnknownStatus;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;

public class Responder {
    static final BouncyCastleProvider BC = new BouncyCastleProvider();

    static byte[] answer(Path dir, KeyPair key, byte[] request) throws Exception {
        OCSPReq q = new OCSPReq(request);
        X509CertificateHolder own = new X509CertificateHolder(Files.readAllBytes(dir.resolve("responder.cer")));
        X509CertificateHolder issuer = new X509CertificateHolder(Files.readAllBytes(dir.resolve("issuer.cer")));
        byte[] id = SubjectKeyIdentifier.fromExtensions(issuer.getExtensions()).getKeyIdentifier();
        Path revoked = dir.resolve("revoked.txt");
        BasicOCSPRespBuilder b = new BasicOCSPRespBuilder(new RespID(own.getSubject()));
        for (Req r : q.getRequestList()) {
            CertificateStatus status = CertificateStatus.GOOD;
            String serial = r.getCertID().getSerialNumber().toString(16);
            if (!Arrays.equals(r.getCertID().getIssuerKeyHash(), id)) {
                status = new UnknownStatus();
            } else if (Files.exists(revoked) && Files.readAllLines(revoked).contains(serial)) {
                status = new RevokedStatus(new Date(System.currentTimeMillis() - 60_000), CRLReason.keyCompromise);
            }
            b.addResponse(r.getCertID(), status, new Date(), null, null);
        }
        Extension nonce = q.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nonce);
        if (nonce != null) {
            b.setResponseExtensions(new Extensions(nonce));
        }
        var basic = b.build(new Signer(key), new X509CertificateHolder[] {own}, new Date());
        return new OCSPRespBuilder().build(OCSPRespBuilder.SUCCESSFUL, basic).getEncoded();
    }

    // The finder of names does not know this algorithm; the provider does.
    static class Signer implements ContentSigner {
        final KeyPair key;
        final ByteArrayOutputStream data = new ByteArrayOutputStream();

        Signer(KeyPair key) {
            this.key = key;
        }

        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return new AlgorithmIdentifier(UAObjectIdentifiers.dstu4145le);
        }

        public OutputStream getOutputStream() {
            return data;
        }

        public byte[] getSignature() {
            try {
                Signature s = Signature.getInstance(UAObjectIdentifiers.dstu4145le.getId(), BC);
                s.initSign(key.getPrivate());
                s.update(data.toByteArray());
                return s.sign();
            } catch (GeneralSecurityException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[0]);
        KeyPairGenerator g = KeyPairGenerator.getInstance("DSTU4145", BC);
        g.initialize(new ECGenParameterSpec("1.2.804.2.1.1.1.1.3.1.1.2.6"), new SecureRandom()); // m = 257
        KeyPair key = g.generateKeyPair();
        Files.write(dir.resolve("spki.der"), key.getPublic().getEncoded());
        HttpServer http = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 16);
        http.createContext("/", x -> {
            try {
                byte[] body = answer(dir, key, x.getRequestBody().readNBytes(1 << 16));
                x.getResponseHeaders().set("Content-Type", "application/ocsp-response");
                x.sendResponseHeaders(200, body.length);
                x.getResponseBody().write(body);
            } catch (Exception e) {
                e.printStackTrace();
                x.sendResponseHeaders(500, -1);
            }
            x.close();
        });
        http.start();
        System.out.println("http://127.0.0.1:" + http.getAddress().getPort());
    }
}
