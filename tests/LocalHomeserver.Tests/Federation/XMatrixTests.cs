using System.Text;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

internal sealed class XMatrixTests
{
    private static readonly XMatrix s_expected = new("hs1", "hs2:8448", "ed25519:1", "AB/+");

    [TestCase("X-Matrix origin=\"hs1\",destination=\"hs2:8448\",key=\"ed25519:1\",sig=\"AB/+\"")]
    [TestCase("x-mATRIX origin=\"hs1\",destination=\"hs2:8448\",key=\"ed25519:1\",sig=\"AB/+\"")]
    [TestCase("X-Matrix origin=hs1,destination=hs2:8448,key=ed25519:1,sig=\"AB/+\"")]
    [TestCase("X-Matrix sig=\"AB/+\",KEY=ed25519:1,Destination=\"hs2:8448\",oRigin=hs1")]
    [TestCase("X-Matrix   origin = hs1 ,\tdestination=\"hs2:8448\" , key= ed25519:1, sig =\"AB/+\"  ")]
    [TestCase("X-Matrix ,origin=hs1,,destination=\"hs2:8448\", ,key=ed25519:1,sig=\"AB/+\",")]
    [TestCase("X-Matrix origin=\"\\h\\s1\",destination=\"hs2\\:8448\",key=\"ed25519:1\",sig=\"AB\\/+\"")]
    [TestCase("X-Matrix origin=hs1,destination=\"hs2:8448\",key=ed25519:1,sig=\"AB/+\",future=\"a,b=\\\"c\\\\\"")]
    public void Every_allowed_form_of_the_header_is_read(string header) => Assert.That(XMatrix.Parse(header), Is.EqualTo(s_expected));

    [Test]
    public void The_destination_may_be_missing() =>
        Assert.That(XMatrix.Parse("X-Matrix origin=hs1,key=ed25519:1,sig=\"AB/+\""), Is.EqualTo(s_expected with { Destination = null }));

    [TestCaseSource(nameof(Malformed))]
    public void A_header_of_another_form_is_not_read(string header) => Assert.That(XMatrix.Parse(header), Is.Null);

    [Test]
    public void The_header_is_written_as_older_servers_understand_it() => Assert.That(
        s_expected.ToString(), Is.EqualTo("X-Matrix origin=\"hs1\",destination=\"hs2:8448\",key=\"ed25519:1\",sig=\"AB/+\""));

    [TestCase(null)]
    [TestCase("""{"b":"é\u002B","a":[1]}""")]
    public void What_is_signed_is_the_object_that_the_specification_describes(string? body)
    {
        var key = SigningKey.New();
        var content = body is null ? [] : CanonicalJson.Encode(Encoding.UTF8.GetBytes(body));
        var header = XMatrix.Sign("hs1", "hs2", key, "PUT", "/_matrix/x?y=%2F\"", content);

        var signed = new JsonObject { ["method"] = "PUT", ["uri"] = "/_matrix/x?y=%2F\"", ["origin"] = "hs1", ["destination"] = "hs2" };
        if (body is not null) signed["content"] = JsonNode.Parse(body);
        SignedJson.Sign(signed, "hs1", key);
        Assert.That(header.Signature, Is.EqualTo(signed["signatures"]!["hs1"]![key.KeyId]!.GetValue<string>()));
    }

    public static string[] Malformed() =>
    [
        "",
        "X-Matrix",
        "X-Matrix ",
        "X-Matrix ,",
        "Bearer origin=hs1,key=ed25519:1,sig=AB",
        "X-Matrixorigin=hs1,key=ed25519:1,sig=AB",
        "X-Matrix\torigin=hs1,key=ed25519:1,sig=AB",
        "X-Matrix key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1,sig=AB",
        "X-Matrix origin=hs1,key=ed25519:1",
        "X-Matrix origin=,key=ed25519:1,sig=AB",
        "X-Matrix origin=\"\",key=ed25519:1,sig=AB",
        "X-Matrix origin,key=ed25519:1,sig=AB",
        "X-Matrix =hs1,key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1 key=ed25519:1 sig=AB",
        "X-Matrix origin=hs1;key=ed25519:1;sig=AB",
        "X-Matrix origin=hs1,origin=hs2,key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1,ORIGIN=hs1,key=ed25519:1,sig=AB",
        "X-Matrix origin=\"hs1,key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1\",key=ed25519:1,sig=AB",
        "X-Matrix origin=\"hs1\"x,key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1,key=ed25519:1,sig=\"AB\\",
        "X-Matrix origin=hs1,key=ed25519:1,sig=AB/+",
        "X-Matrix origin=[::1],key=ed25519:1,sig=AB",
        "X-Matrix ori:gin=hs1,origin=hs1,key=ed25519:1,sig=AB",
        "X-Matrix origin==hs1,key=ed25519:1,sig=AB",
        "X-Matrix origin=hs1,key=ed25519:1,sig=AB, X-Matrix origin=hs1",
    ];
}
