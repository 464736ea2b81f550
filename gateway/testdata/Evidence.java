// Bouncy Castle as another reader of packages of evidence, for evidence_test.go. By a
// package's index it verifies the seal over the manifest and the manifest's digests of
// all files, every signature as it was received and as it was raised, and the seals of the
// receipts; what signs has to be issued by one of the anchors.
//
//   java Evidence.java FOLDER...
//
// Each folder has a package, p.asice, and anchors, *.cer. For each there is a line with its
// path, and a line "WHAT COUNT" for everything that holds; the first thing that does not
// ends it with a line "failed: WHY". Signatures in a transport wrapper or an ASiC
// container are left to others: a line "skipped FILE".

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import javax.xml.parsers.DocumentBuilderFactory;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.ua.DSTU4145Params;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.crypto.digests.GOST3411Digest;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.signers.DSTU4145Signer;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class Evidence {
    static final String ASIC = "http://uri.etsi.org/02918/v1.2.1#", DS = "http://www.w3.org/2000/09/xmldsig#";
    static final String DSTU4145 = "1.2.804.2.1.1.1.1.3.1";
    static final List<X509CertificateHolder> anchors = new ArrayList<>();

    public static void main(String[] folders) throws Exception {
        for (String folder : folders) {
            System.out.println(folder);
            anchors.clear();
            try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of(folder), "*.cer")) {
                for (Path file : files) anchors.add(new X509CertificateHolder(Files.readAllBytes(file)));
            }
            try {
                check(folder + "/p.asice");
            } catch (Exception e) {
                System.out.println("failed: " + e.getMessage());
            }
        }
    }

    static void check(String file) throws Exception {
        Map<String, byte[]> all = new TreeMap<>();
        try (ZipFile z = new ZipFile(file)) {
            for (Enumeration<? extends ZipEntry> e = z.entries(); e.hasMoreElements();) {
                ZipEntry x = e.nextElement();
                all.put(x.getName(), z.getInputStream(x).readAllBytes());
            }
        }
        byte[] manifest = all.get("META-INF/ASiCManifest001.xml");
        System.out.println("manifest " + manifest(all, manifest));
        System.out.println("seal " + verify(all.get("META-INF/signature001.p7s"), manifest));
        String index = new String(all.get("evidence.json"), StandardCharsets.UTF_8);
        List<String> documents = values(index, "document");
        byte[] document = documents.isEmpty() ? null : all.get(documents.get(0));
        for (String key : new String[] {"file", "raised"}) {
            for (String name : values(index, key)) {
                byte[] b = all.get(name);
                System.out.println(b[0] == 0x30 ? name + " " + verify(b, document) : "skipped " + name);
            }
        }
        List<String> texts = values(index, "json"), seals = values(index, "seal");
        for (int i = 0; i < texts.size(); i++) {
            System.out.println(seals.get(i) + " " + verify(all.get(seals.get(i)), all.get(texts.get(i))));
        }
    }

    // The index is written with one value a line.
    static List<String> values(String json, String key) {
        List<String> out = new ArrayList<>();
        for (Matcher m = Pattern.compile("(?m)^ *\"" + key + "\": \"([^\"\\\\]*)\",?$").matcher(json); m.find();) {
            out.add(m.group(1));
        }
        return out;
    }

    // Compares the digests and gives their number; every file has to have one.
    static int manifest(Map<String, byte[]> all, byte[] xml) throws Exception {
        DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
        f.setNamespaceAware(true);
        Document d = f.newDocumentBuilder().parse(new ByteArrayInputStream(xml));
        NodeList refs = d.getElementsByTagNameNS(ASIC, "DataObjectReference");
        Set<String> left = new HashSet<>(all.keySet());
        left.removeIf(n -> n.equals("mimetype") || n.startsWith("META-INF/"));
        for (int i = 0; i < refs.getLength(); i++) {
            Element r = (Element) refs.item(i);
            String name = new java.net.URI(r.getAttribute("URI")).getPath();
            byte[] want = Base64.getDecoder().decode(r.getElementsByTagNameNS(DS, "DigestValue").item(0).getTextContent());
            if (!Arrays.equals(MessageDigest.getInstance("SHA-256").digest(all.get(name)), want)) throw new Exception("digest of " + name);
            left.remove(name);
        }
        if (!left.isEmpty()) throw new Exception("not in the manifest: " + left);
        return refs.getLength();
    }

    // Verifies every signature, over what is inside where something is, and the
    // certificate of each under an anchor; gives their number.
    static int verify(byte[] p7s, byte[] content) throws Exception {
        CMSSignedData s = new CMSSignedData(p7s);
        if (s.getSignedContent() == null) {
            s = new CMSSignedData(new CMSProcessableByteArray(content), p7s);
        }
        byte[] signed = (byte[]) s.getSignedContent().getContent();
        int n = 0;
        for (SignerInformation i : s.getSignerInfos().getSigners()) {
            X509CertificateHolder c = (X509CertificateHolder) s.getCertificates().getMatches(i.getSID()).iterator().next();
            boolean holds = dstu(c) ? dstu(i, c, signed) : i.verify(new JcaSimpleSignerInfoVerifierBuilder().build(c));
            if (!holds) throw new Exception("signature");
            X509CertificateHolder above = null;
            for (X509CertificateHolder x : anchors) {
                if (x.getSubject().equals(c.getIssuer())) above = x;
            }
            if (above == null) throw new Exception("no anchor for " + c.getIssuer());
            if (!(dstu(above) ? dstu(above, c.toASN1Structure().getTBSCertificate().getEncoded("DER"), ASN1OctetString.getInstance(c.getSignature()).getOctets())
                : c.isSignatureValid(new JcaContentVerifierProviderBuilder().build(above)))) throw new Exception("certificate");
            n++;
        }
        if (n == 0) throw new Exception("no signature");
        return n;
    }

    static boolean dstu(X509CertificateHolder c) {
        return c.getSubjectPublicKeyInfo().getAlgorithm().getAlgorithm().getId().startsWith(DSTU4145);
    }

    static boolean dstu(SignerInformation i, X509CertificateHolder c, byte[] signed) throws Exception {
        byte[] stated = ASN1OctetString.getInstance(i.getSignedAttributes().get(CMSAttributes.messageDigest).getAttrValues().getObjectAt(0)).getOctets();
        return i.getSignedAttributes().get(PKCSObjectIdentifiers.id_aa_signingCertificateV2) != null
            && Arrays.equals(stated, gost(signed)) && dstu(c, i.getEncodedSignedAttributes(), i.getSignature());
    }

    static boolean dstu(X509CertificateHolder c, byte[] message, byte[] rs) throws Exception {
        DSTU4145Signer v = new DSTU4145Signer();
        v.init(false, (ECPublicKeyParameters) PublicKeyFactory.createKey(c.getSubjectPublicKeyInfo()));
        int h = rs.length / 2;
        return v.verifySignature(gost(message), number(Arrays.copyOfRange(rs, 0, h)), number(Arrays.copyOfRange(rs, h, 2 * h)));
    }

    static BigInteger number(byte[] littleEndian) {
        return new BigInteger(1, org.bouncycastle.util.Arrays.reverse(littleEndian));
    }

    // GOST 34.311 with the S-box of DSTU 4145, whose packed form has its high nibble first.
    static byte[] gost(byte[] b) {
        byte[] packed = DSTU4145Params.getDefaultDKE(), s = new byte[128];
        for (int i = 0; i < packed.length; i++) {
            s[2 * i] = (byte) (packed[i] >> 4 & 15);
            s[2 * i + 1] = (byte) (packed[i] & 15);
        }
        GOST3411Digest d = new GOST3411Digest(s);
        d.update(b, 0, b.length);
        byte[] out = new byte[d.getDigestSize()];
        d.doFinal(out, 0);
        return out;
    }
}
