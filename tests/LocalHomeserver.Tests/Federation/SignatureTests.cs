using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

internal sealed class SignatureTests
{
    // RFC 8032, section 7.1: seed, public key, message, signature.
    private static readonly string[][] s_rfc8032 =
    [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
        [
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ],
    ];

    // Specification, appendices, "Cryptographic Test Vectors".
    private static readonly SigningKey s_key = new("ed25519:1", UnpaddedBase64.Decode("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"));

    [TestCaseSource(nameof(s_rfc8032))]
    public void Ed25519_is_that_of_RFC_8032(string seed, string publicKey, string message, string signature)
    {
        var data = Convert.FromHexString(message);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Ed25519.PublicKey(Convert.FromHexString(seed)), Is.EqualTo(Convert.FromHexString(publicKey)));
            Assert.That(Ed25519.Sign(Convert.FromHexString(seed), data), Is.EqualTo(Convert.FromHexString(signature)));
            Assert.That(Ed25519.Verify(Convert.FromHexString(publicKey), data, Convert.FromHexString(signature)), Is.True);
        }
    }

    [Test]
    public void A_change_of_any_part_is_noticed()
    {
        byte[] data = [1, 2, 3];
        var (publicKey, signature) = (Ed25519.PublicKey(s_key.Seed.Span), Ed25519.Sign(s_key.Seed.Span, data));
        Assert.That(Ed25519.Verify(publicKey, data, signature), Is.True);

        foreach (var part in new[] { publicKey, data, signature })
        {
            for (var i = 0; i < part.Length; i++)
            {
                part[i] ^= 1;
                Assert.That(Ed25519.Verify(publicKey, data, signature), Is.False);
                part[i] ^= 1;
            }
        }
    }

    [TestCase(0, 64)]
    [TestCase(31, 64)]
    [TestCase(33, 64)]
    [TestCase(32, 0)]
    [TestCase(32, 63)]
    [TestCase(32, 65)]
    [TestCase(32, 64)]
    public void What_cannot_be_a_key_or_a_signature_verifies_nothing(int keyLength, int signatureLength) =>
        Assert.That(Ed25519.Verify(new byte[keyLength], "data"u8, Enumerable.Repeat((byte)0xff, signatureLength).ToArray()), Is.False);

    [TestCase("{}", "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ")]
    [TestCase("""{"one":1,"two":"Two"}""", "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw")]
    public void Objects_are_signed_as_the_specifications_examples_are(string json, string signature)
    {
        var value = JsonNode.Parse(json)!.AsObject();
        SignedJson.Sign(value, "domain", s_key);

        Assert.That(value["signatures"]!["domain"]!["ed25519:1"]!.GetValue<string>(), Is.EqualTo(signature));
        Assert.That(IsSigned(value.ToJsonString()), Is.True);
    }

    [Test]
    public void Signatures_of_others_and_what_is_unsigned_stay_and_are_not_signed()
    {
        var value = JsonNode.Parse("""{"two":"Two","unsigned":{"age":1.5},"signatures":{"domain":{"ed25519:2":"x"},"other":{}},"one":1}""")!.AsObject();
        SignedJson.Sign(value, "domain", s_key);

        Assert.That(value["signatures"]!["domain"]!["ed25519:2"]!.GetValue<string>(), Is.EqualTo("x"));
        Assert.That(value["signatures"]!["other"], Is.Not.Null);
        Assert.That(value["signatures"]!["domain"]!["ed25519:1"]!.GetValue<string>(), Does.StartWith("KqmLSbO39/Bz"));
        value["unsigned"] = "changed";
        Assert.That(IsSigned(value.ToJsonString()), Is.True);
        value["one"] = 2;
        Assert.That(IsSigned(value.ToJsonString()), Is.False);
    }

    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("""{"signatures":1}""")]
    [TestCase("""{"signatures":{"domain":[]}}""")]
    [TestCase("""{"signatures":{"domain":{"ed25519:1":1}}}""")]
    [TestCase("""{"signatures":{"domain":{"ed25519:1":"\ud800"}}}""")]
    [TestCase("""{"signatures":{"domain":{"ed25519:1":"no Base64!"}}}""")]
    [TestCase("""{"signatures":{"other":{"ed25519:1":"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"}}}""")]
    [TestCase("""{"signatures":{"domain":{"ed25519:2":"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"}}}""")]
    public void What_has_no_signature_is_not_signed(string json) => Assert.That(IsSigned(json), Is.False);

    [TestCase("", "")]
    [TestCase("f", "Zg")]
    [TestCase("fo", "Zm8")]
    [TestCase("foo", "Zm9v")]
    [TestCase("foob", "Zm9vYg")]
    [TestCase("fooba", "Zm9vYmE")]
    [TestCase("foobar", "Zm9vYmFy")]
    public void Base64_has_no_padding_and_may_have_some(string text, string encoded)
    {
        var data = Encoding.ASCII.GetBytes(text);
        Assert.That(UnpaddedBase64.Encode(data), Is.EqualTo(encoded));
        Assert.That(UnpaddedBase64.Decode(encoded), Is.EqualTo(data));
        Assert.That(UnpaddedBase64.Decode(Convert.ToBase64String(data)), Is.EqualTo(data));
    }

    [TestCase("A")]
    [TestCase("ab-_")]
    [TestCase("ab!c")]
    public void What_is_not_Base64_is_not_decoded(string text) => Assert.That(UnpaddedBase64.Decode(text), Is.Null);

    [Test]
    public void The_secret_of_a_key_is_not_in_its_text() => Assert.That(s_key.ToString(), Is.EqualTo("ed25519:1"));

    private static bool IsSigned(string json) => SignedJson.IsSigned(
        JsonElement.Parse(json), "domain", "ed25519:1", Ed25519.PublicKey(s_key.Seed.Span));
}
