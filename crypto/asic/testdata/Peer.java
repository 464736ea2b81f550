// Java's reader of ZIP and XML and Bouncy Castle as peers, for peer_test.go.
//
//   java Peer.java verify FILE...         reads each container, compares the digests of
//                                         its manifests and verifies its signatures by the
//                                         certificates within: a line "FILE ok N" for N
//   java Peer.java sign KEY CERT OUT FILE  makes an ASiC-E of FILE with Java's writer

import java.io.ByteArrayInputStream;
import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class Peer {
    static final String ASIC = "http://uri.etsi.org/02918/v1.2.1#", DS = "http://www.w3.org/2000/09/xmldsig#";

    public static void main(String[] a) throws Exception {
        if (a[0].equals("sign")) {
            sign(a[1], a[2], a[3], a[4]);
            return;
        }
        for (String file : Arrays.copyOfRange(a, 1, a.length)) {
            System.out.println(Path.of(file).getFileName() + " ok " + verify(file));
        }
    }

    static int verify(String file) throws Exception {
        Map<String, byte[]> all = new HashMap<>();
        try (ZipFile z = new ZipFile(file)) {
            for (Enumeration<? extends ZipEntry> e = z.entries(); e.hasMoreElements();) {
                ZipEntry x = e.nextElement();
                all.put(x.getName(), z.getInputStream(x).readAllBytes());
            }
        }
        int n = 0;
        for (String name : all.keySet()) {
            if (name.equals("META-INF/signature.p7s")) {
                byte[] data = null;
                for (String d : all.keySet()) {
                    if (!d.equals("mimetype") && !d.startsWith("META-INF/")) data = all.get(d);
                }
                n += verify(all.get(name), data);
            }
            if (!name.startsWith("META-INF/ASiCManifest")) continue;
            DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
            f.setNamespaceAware(true);
            Document d = f.newDocumentBuilder().parse(new ByteArrayInputStream(all.get(name)));
            NodeList refs = d.getElementsByTagNameNS(ASIC, "DataObjectReference");
            for (int i = 0; i < refs.getLength(); i++) {
                Element r = (Element) refs.item(i);
                String data = new java.net.URI(r.getAttribute("URI")).getPath();
                byte[] want = Base64.getDecoder().decode(r.getElementsByTagNameNS(DS, "DigestValue").item(0).getTextContent());
                byte[] got = MessageDigest.getInstance("SHA-256").digest(all.get(data));
                if (!Arrays.equals(got, want)) throw new Exception(file + ": digest of " + data);
            }
            Element s = (Element) d.getElementsByTagNameNS(ASIC, "SigReference").item(0);
            n += verify(all.get(s.getAttribute("URI")), all.get(name));
        }
        return n;
    }

    static int verify(byte[] p7s, byte[] content) throws Exception {
        CMSSignedData s = new CMSSignedData(new CMSProcessableByteArray(content), p7s);
        int n = 0;
        for (SignerInformation i : s.getSignerInfos().getSigners()) {
            X509CertificateHolder c = (X509CertificateHolder) s.getCertificates().getMatches(i.getSID()).iterator().next();
            if (!i.verify(new JcaSimpleSignerInfoVerifierBuilder().build(c))) throw new Exception("signature");
            n++;
        }
        return n;
    }

    static void sign(String key, String cert, String out, String file) throws Exception {
        PrivateKey k = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(key))));
        X509Certificate c = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(Files.newInputStream(Path.of(cert)));
        byte[] data = Files.readAllBytes(Path.of(file));
        String name = Path.of(file).getFileName().toString();
        String uri = new java.net.URI(null, null, name, null).toASCIIString();
        String digest = Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(data));
        byte[] manifest = ("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?><ASiCManifest xmlns=\"" + ASIC + "\">\n"
            + "  <SigReference MimeType=\"application/pkcs7-signature\" URI=\"META-INF/signature001.p7s\"/>\n"
            + "  <DataObjectReference URI=\"" + uri + "\"><DigestMethod xmlns=\"" + DS + "\" Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>"
            + "<DigestValue xmlns=\"" + DS + "\">" + digest + "</DigestValue></DataObjectReference>\n</ASiCManifest>\n").getBytes(StandardCharsets.UTF_8);
        ASN1EncodableVector v = new ASN1EncodableVector();
        v.add(new Attribute(PKCSObjectIdentifiers.id_aa_signingCertificateV2, new DERSet(new SigningCertificateV2(
            new ESSCertIDv2(MessageDigest.getInstance("SHA-256").digest(c.getEncoded()))))));
        JcaSignerInfoGeneratorBuilder b = new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().build());
        b.setSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(new AttributeTable(v)));
        CMSSignedDataGenerator g = new CMSSignedDataGenerator();
        g.addSignerInfoGenerator(b.build(new JcaContentSignerBuilder("SHA256withECDSA").build(k), c));
        g.addCertificates(new JcaCertStore(List.of(c)));
        byte[] p7s = g.generate(new CMSProcessableByteArray(manifest), false).getEncoded();
        try (ZipOutputStream z = new ZipOutputStream(new FileOutputStream(out))) {
            byte[] mime = "application/vnd.etsi.asic-e+zip".getBytes(StandardCharsets.US_ASCII);
            ZipEntry e = new ZipEntry("mimetype");
            java.util.zip.CRC32 crc = new java.util.zip.CRC32();
            crc.update(mime);
            e.setMethod(ZipEntry.STORED);
            e.setSize(mime.length);
            e.setCrc(crc.getValue());
            put(z, e, mime);
            put(z, new ZipEntry(name), data);
            put(z, new ZipEntry("META-INF/ASiCManifest001.xml"), manifest);
            put(z, new ZipEntry("META-INF/signature001.p7s"), p7s);
        }
    }

    static void put(ZipOutputStream z, ZipEntry e, byte[] b) throws Exception {
        z.putNextEntry(e);
        z.write(b);
        z.closeEntry();
    }
}
