using System.Text;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>The encoder against a slow one that follows the specification's sentences, on values made up at random.</summary>
public class RandomJsonTests
{
    private const int Values = 20_000;

    [Test]
    public void D20_any_value_is_encoded_as_the_specification_says_or_has_no_canonical_form([Values(1, 2, 3)] int seed)
    {
        var random = new Random(seed);
        var (encoded, refused) = (0, 0);
        for (var i = 0; i < Values; i++)
        {
            var value = RandomJson.New(random);
            var builder = new StringBuilder();
            value.Write(builder, random);
            var json = builder.ToString();

            Assert.That(Text(CanonicalJson.EncodeAsWritten(Bytes(json))), Is.EqualTo(value.Canonical(asWritten: true)), json);
            if (value.Canonical(asWritten: false) is { } canonical)
            {
                encoded++;
                Assert.That(Text(CanonicalJson.Encode(Bytes(json))), Is.EqualTo(canonical), json);
                Assert.That(Text(CanonicalJson.Encode(JsonElement.Parse(json))), Is.EqualTo(canonical), json);
                Assert.That(Text(CanonicalJson.EncodeAsWritten(Bytes(canonical))), Is.EqualTo(canonical), "a receiver finds it so");
            }
            else
            {
                refused++;
                Assert.That(() => CanonicalJson.Encode(Bytes(json)), Throws.TypeOf<CanonicalJsonException>(), json);
            }
        }

        Assert.That(encoded, Is.GreaterThan(Values / 4));
        Assert.That(refused, Is.GreaterThan(Values / 20));
    }

    [Test]
    public void D24_bytes_at_random_are_JSON_or_not_and_nothing_else([Values(1, 2, 3)] int seed)
    {
        var random = new Random(seed);
        string[] pieces = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d800", "dc00", "\\ud800", "0", "-", "1", ".", "e", "E+", "true", "nul", " ", "\n", "é", "\0", "a"];
        for (var i = 0; i < Values; i++)
        {
            var json = Bytes(string.Concat(random.GetItems(pieces, random.Next(1, 20))));
            if (random.Next(4) == 0) json[random.Next(json.Length)] = (byte)random.Next(256);
            Encodes(() => CanonicalJson.Encode(json, "a"), json);
            Encodes(() => CanonicalJson.EncodeAsWritten(json, ""), json);
        }

        static void Encodes(Action encode, byte[] json)
        {
            try
            {
                encode();
            }
            catch (Exception e) when (e is CanonicalJsonException or JsonException)
            {
            }
            catch (Exception e)
            {
                Assert.Fail($"{Convert.ToHexString(json)}: {e}");
            }
        }
    }

    private static byte[] Bytes(string json) => Encoding.UTF8.GetBytes(json);

    private static string Text(byte[] utf8) => Encoding.UTF8.GetString(utf8);
}
